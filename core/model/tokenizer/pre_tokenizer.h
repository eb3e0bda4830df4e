// The pre-tokenizer of a byte-level tokenizer: cuts normalized text into words, which byte pair
// encoding then never joins across. Immutable and thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/tokenizer/json_node.h"
#include "core/model/tokenizer/split_pattern.h"

namespace scanserve::model {

class PreTokenizer {
 public:
  // `node` has the type ByteLevel, or Sequence of Split, Digits and, last, ByteLevel.
  static absl::StatusOr<PreTokenizer> FromJson(const JsonNode& node);

  // Calls `visit` with the bytes of each word of `text`, valid UTF-8, in order; no word is empty,
  // and each is valid during its call only. INVALID_ARGUMENT when a split pattern gives up on this
  // text.
  absl::Status Split(std::string_view text,
                     absl::FunctionRef<void(std::string_view word)> visit) const;

  // The fields that change what this does.
  nlohmann::json Canonical() const;

 private:
  PreTokenizer() = default;
  absl::Status Add(const JsonNode& node);

  std::vector<SplitPattern> patterns_;  // in order, before the byte level
  bool has_byte_level_ = false;
  bool add_prefix_space_ = false;  // a piece that does not begin with a space gets one
  bool use_regex_ = true;          // GPT-2's own pattern
};

}  // namespace scanserve::model
