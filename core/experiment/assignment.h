// Which arm a unit is in: a function of the experiment and the unit alone.
//
// The rule is OpenFeature flagd's second one, whose test vectors are public:
//   key    = id "." salt ":" unit;  h = Murmur3(key, 0)
//   bucket = (h * W) >> 32, W the sum of the weights;  the first arm whose running sum is above it
// A stored experiment names the rule, so that a later one moves nobody.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/experiment/design.h"

namespace scanserve::experiment {

inline constexpr absl::string_view kAssignmentRule = "murmur3-v2";

// The arm of a hash. The sum of `weights` is 1 to 2^31 - 1.
size_t ArmOfHash(uint32_t hash, absl::Span<const int64_t> weights);

// Immutable, so thread-safe.
class Assignment {
 public:
  // `design` is valid.
  explicit Assignment(const Design& design);

  // Whether the unit takes part. A hash of its own: a larger share keeps all who were in.
  bool IsExposed(absl::string_view unit) const;
  // The index of its arm.
  size_t ArmOf(absl::string_view unit) const;
  // Whether the prompt of a request is scored under `arm`.
  bool IsShadowed(size_t arm, absl::string_view request_id) const;

 private:
  const std::string key_;
  const std::string exposure_key_;
  const int32_t exposure_;
  std::vector<int64_t> weights_;
  std::vector<std::string> shadow_keys_;
  std::vector<int32_t> shadows_;
};

}  // namespace scanserve::experiment
