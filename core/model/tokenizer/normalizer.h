// The normalizer of a tokenizer: Unicode normalization forms applied one after another.
//
// The reference library carries the tables of Unicode 9.0, so characters that came later are left
// as they are and stop reordering; ICU supplies the data of each character. Written out rather than
// calling ICU's own pass because that one takes quadratic time on long runs of combining marks of
// mixed classes. Immutable and thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/tokenizer/json_node.h"

namespace scanserve::model {

class Normalizer {
 public:
  enum class Form { kNfc, kNfd, kNfkc, kNfkd };

  // Leaves text as it is.
  Normalizer() = default;
  // `node` has the type NFC, NFD, NFKC, NFKD or Sequence (of these); INVALID_ARGUMENT names any
  // other.
  static absl::StatusOr<Normalizer> FromJson(const JsonNode& node);

  // `text` is valid UTF-8, and so is the result. Time n log n at most.
  std::string Normalize(std::string_view text) const;

  // The fields that change what this does.
  nlohmann::json Canonical() const;

 private:
  std::vector<Form> forms_;
};

}  // namespace scanserve::model
