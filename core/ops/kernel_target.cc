#include "core/ops/kernel_target.h"

#include <algorithm>
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
  // What the processor has, before any choice for a test.
  static const int64_t supported = hwy::SupportedTargets() | HWY_SCALAR;
  std::vector<std::string_view> names;
  for (const NamedTarget& target : kTargets) {
    if ((supported & HWY_TARGETS & target.target) != 0) names.push_back(target.name);
  }
  return names;
}

void SetKernelTargetForTesting(std::string_view name) {
  const std::vector<std::string_view> supported = SupportedKernelTargets();
  SCANSERVE_CHECK(name.empty() || std::count(supported.begin(), supported.end(), name) == 1);
  int64_t only = 0;
  for (const NamedTarget& target : kTargets) {
    if (target.name == name) only = target.target;
  }
  hwy::SetSupportedTargetsForTest(only);
}

}  // namespace scanserve::ops
