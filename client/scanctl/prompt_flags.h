// The ways in which a person gives a prompt.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/program.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

struct PromptFlags {
  // The text itself, "-" for standard input, or empty.
  std::string text;
  std::string file;
  std::vector<int32_t> token_ids;
  bool replace_invalid = false;
};

// A positional PROMPT, --prompt-file, --token-ids and --replace-invalid; at most one of the first
// three.
void AddPromptFlags(CLI::App& app, PromptFlags& flags);

// Whether there is nothing to read: no prompt was given, and standard input is a terminal.
bool NoPromptGiven(const PromptFlags& flags);

// Reads what has to be read: standard input when nothing was given and it is no terminal. A text
// that was read loses its last line break if `drop_last_line_break`, because editors and echo add
// one.
absl::StatusOr<v1::Prompt> ReadPrompt(const PromptFlags& flags, bool drop_last_line_break);

// More than a server accepts under any limit, so that it names the limit, and not too much to read.
inline constexpr int64_t kMaxPromptFileBytes = 3 << 20;

}  // namespace scanserve::client
