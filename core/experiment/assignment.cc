#include "core/experiment/assignment.h"

#include "absl/strings/str_cat.h"
#include "core/experiment/murmur3.h"

namespace scanserve::experiment {
namespace {

constexpr uint32_t kSeed = 0;

uint32_t HashOf(absl::string_view key, absl::string_view unit) {
  return Murmur3(absl::StrCat(key, ":", unit), kSeed);
}

bool IsInShare(uint32_t hash, int32_t share) {
  return (uint64_t{hash} * kWhole) >> 32 < static_cast<uint64_t>(share);
}

}  // namespace

size_t ArmOfHash(uint32_t hash, absl::Span<const int64_t> weights) {
  uint64_t total = 0;
  for (const int64_t weight : weights) total += static_cast<uint64_t>(weight);
  const uint64_t bucket = (hash * total) >> 32;
  uint64_t sum = 0;
  size_t arm = 0;
  for (; arm + 1 < weights.size(); ++arm) {
    sum += static_cast<uint64_t>(weights[arm]);
    if (sum > bucket) break;
  }
  return arm;
}

Assignment::Assignment(const Design& design)
    : key_(absl::StrCat(design.id, ".", design.salt)),
      exposure_key_(absl::StrCat(key_, ".x")),
      exposure_(design.exposure) {
  for (const DesignArm& arm : design.arms) {
    weights_.push_back(arm.weight);
    shadow_keys_.push_back(absl::StrCat(key_, ".s.", arm.name));
    shadows_.push_back(arm.shadow);
  }
}

bool Assignment::IsExposed(absl::string_view unit) const {
  return IsInShare(HashOf(exposure_key_, unit), exposure_);
}

size_t Assignment::ArmOf(absl::string_view unit) const {
  return ArmOfHash(HashOf(key_, unit), weights_);
}

bool Assignment::IsShadowed(size_t arm, absl::string_view request_id) const {
  return IsInShare(HashOf(shadow_keys_[arm], request_id), shadows_[arm]);
}

}  // namespace scanserve::experiment
