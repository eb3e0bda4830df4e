#include "client/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/utf8.h"

namespace scanserve::client {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

using Range = std::pair<char32_t, char32_t>;

// Blocks of Unicode that matter in practice; each sorted and apart.
constexpr Range kZeroWidth[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F}, {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
                           {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
                           {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
                           {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};

template <size_t N>
bool Contains(const Range (&ranges)[N], char32_t character) {
  return std::any_of(std::begin(ranges), std::end(ranges), [character](const Range& range) {
    return character >= range.first && character <= range.second;
  });
}

bool IsControl(char32_t character) {
  return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

// As the terminal says, or the usual one when it does not.
winsize SizeOf(int descriptor) {
  winsize size = {};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) size = {};
  if (size.ws_col == 0) size.ws_col = 80;
  if (size.ws_row == 0) size.ws_row = 24;
  return size;
}

}  // namespace

Terminal DetectTerminal() {
  Terminal terminal;
  terminal.output_is_terminal = isatty(STDOUT_FILENO) != 0;
  terminal.error_is_terminal = isatty(STDERR_FILENO) != 0;
  if (terminal.output_is_terminal) {
    const winsize size = SizeOf(STDOUT_FILENO);
    terminal.output_columns = size.ws_col;
    terminal.output_rows = size.ws_row;
  }
  if (terminal.error_is_terminal) terminal.error_columns = SizeOf(STDERR_FILENO).ws_col;
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool colour = (no_colour == nullptr || *no_colour == '\0') &&
                      (term == nullptr || absl::string_view(term) != "dumb");
  terminal.output_colour = colour && terminal.output_is_terminal;
  terminal.error_colour = colour && terminal.error_is_terminal;
  return terminal;
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Utf8Character next = DecodeUtf8(text);
    width += Contains(kZeroWidth, next.code_point) ? 0 : Contains(kWide, next.code_point) ? 2 : 1;
    text.remove_prefix(next.bytes);
  }
  return width;
}

std::string WithoutControls(absl::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const Utf8Character next = DecodeUtf8(text);
    const bool keep = text[0] == '\n' || text[0] == '\t';
    const bool replace = !next.valid || (IsControl(next.code_point) && !keep);
    absl::StrAppend(&clean, replace ? kReplacement : text.substr(0, next.bytes));
    text.remove_prefix(next.bytes);
  }
  return clean;
}

std::string Escaped(absl::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const Utf8Character next = DecodeUtf8(text);
    if (text[0] == '\n') {
      absl::StrAppend(&escaped, "\\n");
    } else if (text[0] == '\t') {
      absl::StrAppend(&escaped, "\\t");
    } else if (text[0] == '\\') {
      absl::StrAppend(&escaped, "\\\\");
    } else if (!next.valid || IsControl(next.code_point)) {
      for (const char byte : text.substr(0, next.bytes)) {
        absl::StrAppendFormat(&escaped, "\\x%02X", static_cast<unsigned char>(byte));
      }
    } else {
      absl::StrAppend(&escaped, text.substr(0, next.bytes));
    }
    text.remove_prefix(next.bytes);
  }
  return escaped;
}

std::string Bold(absl::string_view text, bool colour) {
  return colour ? absl::StrCat("\x1B[1m", text, "\x1B[0m") : std::string(text);
}

std::string Red(absl::string_view text, bool colour) {
  return colour ? absl::StrCat("\x1B[31m", text, "\x1B[0m") : std::string(text);
}

}  // namespace scanserve::client
