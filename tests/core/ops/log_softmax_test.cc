#include "core/ops/log_softmax.h"

#include <algorithm>
#include <cmath>
#include <vector>

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

std::vector<float> Weights(const AlignedBuffer& logits, float largest, float temperature,
                           double* sum) {
  std::vector<float> weights(logits.size(), -1);
  *sum = SoftmaxWeights(logits.span(), largest, temperature, absl::MakeSpan(weights));
  return weights;
}

TEST(SoftmaxWeightsTest, MatchTheFormulaInDoubleAndSumUp) {
  for (const int64_t classes : {1, 5, 16, 17, 50280}) {
    for (const float temperature : {0.3F, 1.0F, 2.5F}) {
      const AlignedBuffer logits = RandomFloats(classes, 1, 8);
      const float largest = *std::max_element(logits.span().begin(), logits.span().end());
      double sum = 0, expected_sum = 0;
      const std::vector<float> weights = Weights(logits, largest, temperature, &sum);
      for (size_t i = 0; i < weights.size(); ++i) {
        const double exponent = (double{logits.span()[i]} - double{largest}) / temperature;
        ASSERT_NEAR(weights[i], std::exp(exponent), std::exp(exponent) * 1e-5 + 1e-37) << i;
        expected_sum += static_cast<double>(weights[i]);
      }
      EXPECT_NEAR(sum, expected_sum, 1e-12 * expected_sum);
    }
  }
}

TEST(SoftmaxWeightsTest, HaveTheSameBitsOnEveryTargetAndLeaveExcludedClassesOut) {
  AlignedBuffer logits = RandomFloats(5003, 1, 8);
  logits[7] = -kInfinity;
  const float largest = *std::max_element(logits.span().begin(), logits.span().end());
  double expected_sum = 0;
  const std::vector<float> expected = Weights(logits, largest, 0.7F, &expected_sum);
  EXPECT_EQ(expected[7], 0);
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    double sum = 0;
    EXPECT_EQ(Weights(logits, largest, 0.7F, &sum), expected) << target;
    EXPECT_EQ(sum, expected_sum) << target;
  }
}

TEST(SoftmaxWeightsTest, AreZeroFarBelowTheLargestHoweverFar) {
  AlignedBuffer logits(40);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = -100.0F * std::pow(10.0F, static_cast<float>(i) * 0.9F);
  }
  logits[20] = 0;
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (const float temperature : {1.0F, std::numeric_limits<float>::denorm_min()}) {
      double sum = 0;
      const std::vector<float> weights = Weights(logits, 0, temperature, &sum);
      for (size_t i = 0; i < weights.size(); ++i) {
        EXPECT_EQ(weights[i], i == 20 ? 1.0F : 0.0F) << target << " " << logits[i];
      }
      EXPECT_EQ(sum, 1) << target;
    }
  }
}

}  // namespace
}  // namespace scanserve::ops
