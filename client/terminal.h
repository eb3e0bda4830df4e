// What is known of the terminal behind standard output and standard error.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace scanserve::client {

struct Terminal {
  // Width given to what is laid out for a file or a pipe.
  static constexpr int kUnlimited = 1'000'000;

  bool output_is_terminal = false;
  bool error_is_terminal = false;
  // Size of the terminal; kUnlimited for standard output that is none.
  int output_columns = kUnlimited;
  int output_rows = kUnlimited;
  int error_columns = 80;
  // Colours are used on a terminal, unless NO_COLOR is set or TERM is "dumb".
  bool output_colour = false;
  bool error_colour = false;
};

Terminal DetectTerminal();

// Columns that UTF-8 text takes on a terminal: 2 for wide East Asian characters and emoji, 0 for
// combining ones. Bytes that are not UTF-8 count 1 each.
int DisplayWidth(absl::string_view text);

// `text` with control characters, except line breaks and tabs, replaced by U+FFFD, so that text
// from elsewhere cannot steer the terminal.
std::string WithoutControls(absl::string_view text);

// As WithoutControls, with line breaks, tabs, backslashes and bytes that are not UTF-8 as escapes
// (\n, \t, \\, \xE2): for a cell of a table.
std::string Escaped(absl::string_view text);

// `text` in bold or red when `colour` is on.
std::string Bold(absl::string_view text, bool colour);
std::string Red(absl::string_view text, bool colour);

}  // namespace scanserve::client
