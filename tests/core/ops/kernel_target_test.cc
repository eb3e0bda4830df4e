#include "core/ops/kernel_target.h"

#include "gtest/gtest.h"

namespace scanserve::ops {
namespace {

TEST(KernelTargetTest, UsesTheBestOneUnlessToldOtherwise) {
  const auto supported = SupportedKernelTargets();
  ASSERT_FALSE(supported.empty());
  EXPECT_EQ(KernelTargetName(), supported.front());
  for (const std::string_view name : supported) {
    SetKernelTargetForTesting(name);
    EXPECT_EQ(KernelTargetName(), name);
    EXPECT_EQ(SupportedKernelTargets(), supported);
  }
  SetKernelTargetForTesting("");
  EXPECT_EQ(KernelTargetName(), supported.front());
}

TEST(KernelTargetTest, AlwaysHasTheGenericOne) {
  EXPECT_EQ(SupportedKernelTargets().back(), "generic");
}

}  // namespace
}  // namespace scanserve::ops
