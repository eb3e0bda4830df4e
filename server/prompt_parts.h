// The prompt of a generation as it was read, as messages.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/model/tokenizer/tokenizer.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

// Cuts it into messages of far less than 1 MiB, made one by one as the client reads. Belongs to one
// call.
class PromptParts {
 public:
  // `echo` gives text and token ids. `logprobs`, null for none, are those of tokens 1, 2, ... The
  // tokenizer must outlive it.
  PromptParts(std::vector<int32_t> tokens, bool echo,
              std::shared_ptr<const runtime::PromptLogprobs::Values> logprobs,
              const model::Tokenizer& tokenizer);

  // Fills the next message; false when all has been given.
  bool Next(v1::GeneratePrompt* part);

 private:
  void AddText(v1::GeneratePrompt* part);
  v1::PromptLogprob LogprobAt(size_t position) const;

  const std::vector<int32_t> tokens_;
  const std::shared_ptr<const runtime::PromptLogprobs::Values> logprobs_;
  const model::Tokenizer& tokenizer_;
  std::string text_;
  size_t text_sent_ = 0;
  size_t ids_sent_;
  // The next position with a log probability: the first token has none.
  size_t logprob_position_;
};

}  // namespace scanserve::server
