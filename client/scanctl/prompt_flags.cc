#include "client/scanctl/prompt_flags.h"

#include <unistd.h>

#include "client/text_input.h"

namespace scanserve::client {

void AddPromptFlags(CLI::App& app, PromptFlags& flags) {
  CLI::Option* text = app.add_option("prompt", flags.text, "Text; - or none reads standard input")
                          ->type_name("PROMPT");
  CLI::Option* file = app.add_option("--prompt-file", flags.file, "Read the text from a file")
                          ->type_name("FILE")
                          ->excludes(text);
  app.add_option("--token-ids", flags.token_ids, "Token ids instead of text")
      ->type_name("I,J,..")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber.description(""))
      ->excludes(text)
      ->excludes(file);
  app.add_flag("--replace-invalid", flags.replace_invalid, "Take U+FFFD for what is not UTF-8");
}

bool NoPromptGiven(const PromptFlags& flags) {
  return flags.text.empty() && flags.file.empty() && flags.token_ids.empty() &&
         isatty(STDIN_FILENO) != 0;
}

absl::StatusOr<v1::Prompt> ReadPrompt(const PromptFlags& flags, bool drop_last_line_break) {
  v1::Prompt prompt;
  if (!flags.token_ids.empty()) {
    prompt.mutable_token_ids()->mutable_ids()->Add(flags.token_ids.begin(), flags.token_ids.end());
    return prompt;
  }
  prompt.set_replace_invalid(flags.replace_invalid);
  if (!flags.text.empty() && flags.text != "-") {
    prompt.set_text_bytes(flags.text);
    return prompt;
  }
  if (NoPromptGiven(flags)) {
    return absl::InvalidArgumentError(
        "no prompt: give one as argument, with --prompt-file, or on standard input");
  }
  SCANSERVE_ASSIGN_OR_RETURN(
      std::string text, ReadTextInput(flags.file.empty() ? "-" : flags.file, kMaxPromptFileBytes));
  if (drop_last_line_break && !text.empty() && text.back() == '\n') {
    text.pop_back();
    if (!text.empty() && text.back() == '\r') text.pop_back();
  }
  prompt.set_text_bytes(std::move(text));
  return prompt;
}

}  // namespace scanserve::client
