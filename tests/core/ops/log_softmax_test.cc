#include "core/ops/log_softmax.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/core/ops/kernel_test_data.h"

namespace scanserve::ops {
namespace {

using base::AlignedBuffer;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double Reference(absl::Span<const float> logits) {
  double largest = -kInfinity;
  for (const float logit : logits) largest = std::max(largest, double{logit});
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

TEST(LogSumExpTest, MatchesTheFormulaInDouble) {
  for (const int64_t classes : {1, 5, 16, 17, 1000, 50280}) {
    for (const float scale : {0.1F, 4.0F, 60.0F}) {
      for (const float shift : {0.0F, -300.0F, 3000.0F}) {
        const AlignedBuffer logits = RandomFloats(classes, 1, scale, shift);
        const double expected = Reference(logits.span());
        // Of the probability, the logits being what they are.
        EXPECT_NEAR(LogSumExp(logits.span()), expected, 3e-7)
            << classes << " classes, scale " << scale << ", shift " << shift;
      }
    }
  }
}

TEST(LogSumExpTest, HasTheSameBitsOnEveryTarget) {
  for (const int64_t classes : {1, 15, 33, 50277}) {
    const AlignedBuffer logits = RandomFloats(classes, 1, 8);
    const double expected = LogSumExp(logits.span());
    for (const std::string_view target : SupportedKernelTargets()) {
      const ScopedKernelTarget scoped(target);
      EXPECT_EQ(LogSumExp(logits.span()), expected) << target;
    }
  }
}

TEST(LogSumExpTest, LeavesExcludedClassesOut) {
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    AlignedBuffer logits(40);
    for (float& logit : logits.span()) logit = -kInfinity;
    EXPECT_EQ(LogSumExp(logits.span()), -kInfinity) << target;
    logits[3] = 2.0F;
    logits[33] = 2.0F;
    EXPECT_NEAR(LogSumExp(logits.span()), 2 + std::log(2.0), 1e-7) << target;
  }
}

TEST(LogSumExpTest, ShowsANaN) {
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (const size_t place : {0, 7, 20, 39}) {
      AlignedBuffer logits = RandomFloats(40, 1);
      logits[place] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(LogSumExp(logits.span()))) << target << " at " << place;
      for (size_t i = 0; i < logits.size(); ++i) {
        if (i != place) logits[i] = -kInfinity;
      }
      EXPECT_TRUE(std::isnan(LogSumExp(logits.span()))) << target << " at " << place;
    }
  }
}

}  // namespace
}  // namespace scanserve::ops
