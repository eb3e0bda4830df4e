#include "server/prompt_reader.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/utf8.h"
#include "server/field_checks.h"
#include "server/grpc_status.h"

namespace scanserve::server {
namespace {

// About 30 ms of work.
constexpr size_t kLongTextBytes = 64 << 10;

size_t TextBytes(const v1::Prompt& prompt) {
  // Unset fields are empty.
  return prompt.text().size() + prompt.text_bytes().size();
}

TokensOrStatus Encode(const model::LanguageModel& model, const std::string& text) {
  TokensOrStatus tokens = model.tokenizer->Encode(text);
  if (tokens.ok()) return tokens;
  return WithPrefix(tokens.status(), "prompt: ");
}

}  // namespace

bool IsLongText(const v1::Prompt& prompt) { return TextBytes(prompt) > kLongTextBytes; }

TokensOrStatus PromptTokens(const model::LanguageModel& model, const v1::Prompt& prompt,
                            int64_t max_bytes) {
  SCANSERVE_RETURN_IF_ERROR(
      CheckAtMost("prompt", static_cast<int64_t>(TextBytes(prompt)), max_bytes, "bytes of text"));
  switch (prompt.prompt_case()) {
    case v1::Prompt::kText:
      return Encode(model, prompt.text());
    case v1::Prompt::kTextBytes:
      return Encode(model, prompt.replace_invalid() ? model::ReplaceInvalidUtf8(prompt.text_bytes())
                                                    : prompt.text_bytes());
    case v1::Prompt::kTokenIds:
      for (const int32_t id : prompt.token_ids().ids()) {
        SCANSERVE_RETURN_IF_ERROR(CheckTokenId("prompt.token_ids", id, model.config.vocab_size));
      }
      return std::vector<int32_t>(prompt.token_ids().ids().begin(), prompt.token_ids().ids().end());
    case v1::Prompt::PROMPT_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("prompt: none of text, text_bytes and token_ids is set");
}

void ReadPrompt(Backend& backend, const v1::Prompt& prompt, int64_t max_bytes,
                std::function<void(TokensOrStatus)> done) {
  if (!IsLongText(prompt) || static_cast<int64_t>(TextBytes(prompt)) > max_bytes) {
    return done(PromptTokens(backend.model(), prompt, max_bytes));
  }
  const bool posted = backend.tokenizing().TryPost([&backend, &prompt, max_bytes, done] {
    done(PromptTokens(backend.model(), prompt, max_bytes));
  });
  if (!posted) done(TooManyLongTexts());
}

absl::Status TooManyLongTexts() {
  return WithRetryDelay(
      absl::ResourceExhaustedError("too many long texts are waiting to be tokenized"),
      absl::Seconds(1));
}

absl::Status CheckPromptTokens(int64_t tokens, int64_t limit) {
  if (tokens == 0) return absl::InvalidArgumentError("prompt: has no tokens, at least 1 is needed");
  return CheckAtMost("prompt", tokens, limit, "tokens");
}

}  // namespace scanserve::server
