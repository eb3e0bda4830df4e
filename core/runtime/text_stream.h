// Turns the tokens of an answer into text as it becomes certain, and finds stop strings in it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/model/tokenizer/streaming_decoder.h"
#include "core/model/tokenizer/tokenizer.h"
#include "core/runtime/request.h"

namespace scanserve::runtime {

// Belongs to one sequence.
class TextStream {
 public:
  // `tokenizer` and `stop_strings` must outlive it; no stop string is empty.
  TextStream(const model::Tokenizer& tokenizer, const std::vector<std::string>& stop_strings);

  // Text and tokens that are certain after one more token: whole characters that no stop string can
  // still claim. A token is handed out once all of its text is. After a stop string, what came
  // before.
  Delta Push(TokenLogprob token, bool with_logprob);
  // What is left at the end; bytes that make no character become U+FFFD.
  Delta Finish();

  // The stop string found; nothing after it is handed out. Of several, the one that begins first.
  const std::optional<std::string>& stopped_by() const { return stopped_by_; }

 private:
  struct PendingToken {
    TokenLogprob token;
    // Of its text in pending_; nothing while its last character lacks bytes.
    std::optional<size_t> end;
  };

  // Adds decoded text, and says where tokens end whose last character it completes.
  void Append(const std::string& text);
  // Looks for a stop string; returns how much of pending_ is certain.
  size_t CertainLength();
  Delta Release(size_t length);

  const std::vector<std::string>& stop_strings_;
  model::StreamingDecoder decoder_;
  std::string pending_;
  std::deque<PendingToken> pending_tokens_;
  std::optional<std::string> stopped_by_;
  bool with_logprobs_ = false;
};

}  // namespace scanserve::runtime
