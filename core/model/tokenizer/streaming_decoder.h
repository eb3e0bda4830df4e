// Decodes tokens one by one, for streams: every delta is whole UTF-8 characters.
//
// All deltas joined equal Tokenizer::Decode of all ids with special tokens skipped. Belongs to one
// thread; the tokenizer must outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/model/tokenizer/tokenizer.h"

namespace scanserve::model {

class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  // The text that is certain now. Up to 3 bytes of a character that later tokens can complete are
  // held back; bytes that cannot become one are U+FFFD. Special and unknown ids give nothing.
  std::string Push(int32_t id);
  // The end of the text: held-back bytes become one U+FFFD. The decoder is then as new.
  std::string Finish();
  // Whether bytes of an unfinished character are held back.
  bool holds_back() const { return !held_back_.empty(); }

 private:
  const Tokenizer* tokenizer_;
  std::string held_back_;
};

}  // namespace scanserve::model
