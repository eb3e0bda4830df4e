#include "core/runtime/text_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace scanserve::runtime {

TextStream::TextStream(const model::Tokenizer& tokenizer,
                       const std::vector<std::string>& stop_strings)
    : stop_strings_(stop_strings), decoder_(tokenizer) {}

size_t TextStream::CertainLength() {
  size_t first = std::string::npos;
  for (const std::string& stop : stop_strings_) {
    const size_t found = pending_.find(stop);
    if (found >= first) continue;
    first = found;
    stopped_by_ = stop;
  }
  if (stopped_by_.has_value()) return first;
  size_t held = 0;
  for (const std::string& stop : stop_strings_) {
    for (size_t length = std::min(stop.size() - 1, pending_.size()); length > held; --length) {
      if (absl::EndsWith(pending_, absl::string_view(stop).substr(0, length))) held = length;
    }
  }
  // Stop strings are whole characters, and so is what the decoder gives: the cut is at a character.
  return pending_.size() - held;
}

Delta TextStream::Release(size_t length) {
  Delta delta;
  delta.text = pending_.substr(0, length);
  while (!pending_tokens_.empty() && pending_tokens_.front().end.value_or(length + 1) <= length) {
    TokenLogprob& token = pending_tokens_.front().token;
    delta.tokens.push_back(token.token);
    if (with_logprobs_) delta.logprobs.push_back(std::move(token));
    pending_tokens_.pop_front();
  }
  pending_.erase(0, length);
  for (PendingToken& token : pending_tokens_) {
    if (token.end.has_value()) *token.end -= length;
  }
  return delta;
}

void TextStream::Append(const std::string& text) {
  if (text.empty()) return;
  // What the decoder held back is the first character.
  size_t first = 1;
  while (first < text.size() && (static_cast<unsigned char>(text[first]) & 0xC0U) == 0x80U) ++first;
  for (PendingToken& token : pending_tokens_) {
    if (!token.end.has_value()) token.end = pending_.size() + first;
  }
  pending_ += text;
}

Delta TextStream::Push(TokenLogprob token, bool with_logprob) {
  if (stopped_by_.has_value()) return {};
  with_logprobs_ = with_logprob;
  Append(decoder_.Push(token.token));
  PendingToken pending = {std::move(token), std::nullopt};
  if (!decoder_.holds_back()) pending.end = pending_.size();
  pending_tokens_.push_back(std::move(pending));
  return Release(CertainLength());
}

Delta TextStream::Finish() {
  if (stopped_by_.has_value()) return {};
  Append(decoder_.Finish());
  const size_t certain = CertainLength();
  return Release(stopped_by_.has_value() ? certain : pending_.size());
}

}  // namespace scanserve::runtime
