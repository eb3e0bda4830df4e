#include "server/prompt_parts.h"

#include <algorithm>
#include <utility>

#include "server/convert_generation.h"
#include "server/score_totals.h"

namespace scanserve::server {
namespace {

constexpr size_t kTextBytes = size_t{256} << 10;
// Ids take at most 5 bytes each.
constexpr size_t kIds = 32'768;
// What log probabilities take, before the last one.
constexpr size_t kLogprobBytes = size_t{256} << 10;

}  // namespace

PromptParts::PromptParts(std::vector<int32_t> tokens, bool echo,
                         std::shared_ptr<const runtime::PromptLogprobs::Values> logprobs,
                         const model::Tokenizer& tokenizer)
    : tokens_(std::move(tokens)),
      logprobs_(std::move(logprobs)),
      tokenizer_(tokenizer),
      text_(echo ? tokenizer.Decode(tokens_, /*skip_special_tokens=*/false) : ""),
      ids_sent_(echo ? 0 : tokens_.size()),
      logprob_position_(logprobs_ != nullptr ? 1 : tokens_.size()) {}

bool PromptParts::Next(v1::GeneratePrompt* part) {
  const bool more =
      text_sent_ < text_.size() || ids_sent_ < tokens_.size() || logprob_position_ < tokens_.size();
  if (!more) return false;
  AddText(part);
  const size_t ids_end = std::min(tokens_.size(), ids_sent_ + kIds);
  part->mutable_token_ids()->Add(tokens_.begin() + static_cast<std::ptrdiff_t>(ids_sent_),
                                 tokens_.begin() + static_cast<std::ptrdiff_t>(ids_end));
  ids_sent_ = ids_end;
  for (size_t bytes = 0; logprob_position_ < tokens_.size() && bytes < kLogprobBytes;
       ++logprob_position_) {
    v1::PromptLogprob& added = *part->add_logprobs();
    added = LogprobAt(logprob_position_);
    bytes += added.ByteSizeLong();
  }
  return true;
}

void PromptParts::AddText(v1::GeneratePrompt* part) {
  size_t end = std::min(text_.size(), text_sent_ + kTextBytes);
  // Not inside a character.
  while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) --end;
  part->set_text(text_.substr(text_sent_, end - text_sent_));
  text_sent_ = end;
}

v1::PromptLogprob PromptParts::LogprobAt(size_t position) const {
  const size_t index = position - 1;
  runtime::TokenLogprob logprob{tokens_[position], logprobs_->logprobs[index], {}};
  const auto alternatives = static_cast<std::ptrdiff_t>(logprobs_->alternatives);
  const auto top = logprobs_->top.begin() + static_cast<std::ptrdiff_t>(index) * alternatives;
  logprob.top.assign(top, top + alternatives);
  v1::PromptLogprob proto;
  proto.set_position(static_cast<int64_t>(position));
  *proto.mutable_logprob() = TokenLogprobToProto(logprob, tokenizer_);
  proto.set_target_class(TargetClassToProto(
      logprobs_->classes.empty() ? order::TargetClass::kCausal : logprobs_->classes[index]));
  return proto;
}

}  // namespace scanserve::server
