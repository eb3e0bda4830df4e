#include "core/ops/kernel_target.h"

#include <cstdint>

#include "core/base/check.h"
#include "hwy/highway.h"

namespace scanserve::ops {
namespace {

struct NamedTarget {
  int64_t target;
  std::string_view name;
};

// Best first.
constexpr NamedTarget kTargets[] = {
    {HWY_AVX3, "avx512"}, {HWY_AVX2, "avx2"}, {HWY_SCALAR, "generic"}};

}  // namespace

std::string_view KernelTargetName() {
  for (const NamedTarget& target : kTargets) {
    if ((hwy::SupportedTargets() & HWY_TARGETS & target.target) != 0) return target.name;
  }
  return kTargets[2].name;
}

std::vector<std::string_view> SupportedKernelTargets() {
  std::vector<std::string_view> names;
  for (const NamedTarget& target : kTargets) {
    const bool always = target.target == HWY_SCALAR;
    const bool compiled = (HWY_TARGETS & target.target) != 0;
    if (compiled && (always || (hwy::SupportedTargets() & target.target) != 0)) {
      names.push_back(target.name);
    }
  }
  return names;
}

void SetKernelTargetForTesting(std::string_view name) {
  if (name.empty()) {
    hwy::SetSupportedTargetsForTest(0);
    return;
  }
  for (const NamedTarget& target : kTargets) {
    if (target.name != name) continue;
    hwy::SetSupportedTargetsForTest(target.target);
    return;
  }
  SCANSERVE_CHECK(false);
}

}  // namespace scanserve::ops
