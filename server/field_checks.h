// Checks of request fields. A fault is INVALID_ARGUMENT naming the field, the value and the limit.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace scanserve::server {

// "prompt: 40000 tokens, at most 32768 are accepted".
absl::Status CheckAtMost(absl::string_view field, int64_t value, int64_t limit,
                         absl::string_view unit);

// low <= value <= high.
absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low, int64_t high);
// The same for floats; NaN is in no range.
absl::Status CheckFloatRange(absl::string_view field, float value, float low, float high);

// 0 <= id < vocabulary.
absl::Status CheckTokenId(absl::string_view field, int64_t id, int64_t vocabulary);

// What groups requests of one user for experiments: at most 256 bytes.
absl::Status CheckUnitKey(absl::string_view unit_key);

}  // namespace scanserve::server
