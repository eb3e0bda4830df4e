#include "core/model/tokenizer/streaming_decoder.h"

#include <utility>

#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {

std::string StreamingDecoder::Push(int32_t id) {
  if (tokenizer_->IsSpecial(id)) return "";
  held_back_ += tokenizer_->TokenBytes(id);
  size_t certain = 0;
  while (certain < held_back_.size()) {
    const Utf8Unit unit = ReadUtf8(std::string_view(held_back_).substr(certain));
    if (unit.truncated) break;
    certain += unit.size;
  }
  std::string delta = ReplaceInvalidUtf8(std::string_view(held_back_).substr(0, certain));
  held_back_.erase(0, certain);
  return delta;
}

std::string StreamingDecoder::Finish() {
  return ReplaceInvalidUtf8(std::exchange(held_back_, std::string()));
}

}  // namespace scanserve::model
