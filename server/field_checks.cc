#include "server/field_checks.h"

#include "absl/strings/str_cat.h"

namespace scanserve::server {
namespace {

constexpr int64_t kMaxUnitKeyBytes = 256;

}  // namespace

absl::Status CheckAtMost(absl::string_view field, int64_t value, int64_t limit,
                         absl::string_view unit) {
  if (value <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " ", unit, ", at most ", limit, " are accepted"));
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " is not in ", low, " to ", high));
}

absl::Status CheckFloatRange(absl::string_view field, float value, float low, float high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " is not in ", low, " to ", high));
}

absl::Status CheckTokenId(absl::string_view field, int64_t id, int64_t vocabulary) {
  if (id >= 0 && id < vocabulary) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": token id ", id, " is not in the model's vocabulary of ", vocabulary));
}

absl::Status CheckUnitKey(absl::string_view unit_key) {
  return CheckAtMost("unit_key", static_cast<int64_t>(unit_key.size()), kMaxUnitKeyBytes, "bytes");
}

}  // namespace scanserve::server
