#include "server/text_handlers.h"

#include <string>

#include "core/base/status_macros.h"
#include "server/field_checks.h"
#include "server/prompt_reader.h"
#include "server/request_setting.h"

namespace scanserve::server {

absl::Status Tokenize(const Backend& backend, const v1::TokenizeRequest& request,
                      v1::TokenizeResponse* response) {
  SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend, request.model()));
  if (request.prompt().has_token_ids()) {
    return absl::InvalidArgumentError("prompt.token_ids: only a text can be tokenized");
  }
  SCANSERVE_ASSIGN_OR_RETURN(
      const std::vector<int32_t> tokens,
      PromptTokens(backend.model(), request.prompt(), backend.limits().prompt_bytes));
  response->mutable_token_ids()->Assign(tokens.begin(), tokens.end());
  if (request.with_pieces()) {
    for (const int32_t token : tokens) {
      response->add_pieces(std::string(backend.model().tokenizer->TokenBytes(token)));
    }
  }
  response->set_tokenizer_digest(backend.model().tokenizer_digest);
  return CheckAtMost("prompt", static_cast<int64_t>(response->ByteSizeLong()),
                     kMaxServerMessageBytes, "bytes of answer");
}

absl::Status Detokenize(const Backend& backend, const v1::DetokenizeRequest& request,
                        v1::DetokenizeResponse* response) {
  SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend, request.model()));
  const model::LanguageModel& model = backend.model();
  int64_t bytes = 0;
  for (const int32_t id : request.token_ids()) {
    SCANSERVE_RETURN_IF_ERROR(CheckTokenId("token_ids", id, model.config.vocab_size));
    bytes += static_cast<int64_t>(model.tokenizer->TokenBytes(id).size());
  }
  SCANSERVE_RETURN_IF_ERROR(
      CheckAtMost("token_ids", bytes, kMaxServerMessageBytes, "bytes of text"));
  response->set_text(model.tokenizer->Decode(request.token_ids(), !request.keep_special_tokens()));
  // Bytes that are not UTF-8 have grown to the three of U+FFFD.
  return CheckAtMost("token_ids", static_cast<int64_t>(response->ByteSizeLong()),
                     kMaxServerMessageBytes, "bytes of answer");
}

}  // namespace scanserve::server
