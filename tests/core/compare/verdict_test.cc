#include "core/compare/verdict.h"

#include <gtest/gtest.h>

#include <cmath>

namespace scanserve::compare {
namespace {

constexpr double kMargin = .005;

// Passes every gate.
RatioEstimate Plenty() {
  RatioEstimate estimate;
  estimate.clusters = 100;
  estimate.effective_clusters = 90;
  estimate.skewness = 1;
  estimate.differing_clusters = 100;
  return estimate;
}

TEST(VerdictTest, IdenticalArmsAreEquivalentWithoutAnIntervalAndBeforeAnyGate) {
  RatioEstimate estimate;
  estimate.clusters = 3;
  const Assessment assessment = Assess(estimate, {}, kMargin);
  EXPECT_EQ(assessment.verdict, Verdict::kEquivalent);
  EXPECT_TRUE(assessment.identical);
  EXPECT_TRUE(assessment.not_worse);
}

TEST(VerdictTest, NothingComparedIsUndecided) {
  const Assessment assessment = Assess({}, {}, kMargin);
  EXPECT_EQ(assessment.verdict, Verdict::kUndecided);
  EXPECT_EQ(assessment.gate, Gate::kClusters);
}

TEST(VerdictTest, EachGateHoldsEveryVerdictBackAndSaysWhatIsMissing) {
  const Interval clear = {-.9, -.8};
  ASSERT_EQ(Assess(Plenty(), clear, kMargin).verdict, Verdict::kBetter);
  struct Case {
    Gate gate;
    double has;
    double needs;
    RatioEstimate estimate;
  };
  std::vector<Case> cases;
  cases.push_back({Gate::kClusters, 49, 50, Plenty()});
  cases.back().estimate.clusters = 49;
  cases.push_back({Gate::kEffectiveClusters, 29.9, 30, Plenty()});
  cases.back().estimate.effective_clusters = 29.9;
  cases.push_back({Gate::kSkewness, 100, 101, Plenty()});
  cases.back().estimate.skewness = -2.001;
  for (const Case& failing : cases) {
    const Assessment assessment = Assess(failing.estimate, clear, kMargin);
    EXPECT_EQ(assessment.verdict, Verdict::kUndecided);
    EXPECT_EQ(assessment.gate, failing.gate);
    EXPECT_EQ(assessment.gate_has, failing.has);
    EXPECT_EQ(assessment.gate_needs, failing.needs);
    EXPECT_FALSE(assessment.not_worse);
  }
  RatioEstimate at_the_limits = Plenty();
  at_the_limits.effective_clusters = 30;
  at_the_limits.skewness = 2;
  EXPECT_EQ(Assess(at_the_limits, clear, kMargin).verdict, Verdict::kBetter);
  at_the_limits.clusters = 50;
  at_the_limits.skewness = 1;
  EXPECT_EQ(Assess(at_the_limits, clear, kMargin).verdict, Verdict::kBetter);
}

TEST(VerdictTest, EquivalentMeansInsideTheMarginOnBothSides) {
  EXPECT_EQ(Assess(Plenty(), {-.004, .004}, kMargin).verdict, Verdict::kEquivalent);
  EXPECT_EQ(Assess(Plenty(), {-.005, .004}, kMargin).verdict, Verdict::kUndecided);
  EXPECT_EQ(Assess(Plenty(), {-.004, .005}, kMargin).verdict, Verdict::kUndecided);
  // Also where the sign is certain: it does not matter.
  EXPECT_EQ(Assess(Plenty(), {-.004, -.001}, kMargin).verdict, Verdict::kEquivalent);
}

TEST(VerdictTest, EquivalenceNeedsThirtyClustersThatDiffer) {
  RatioEstimate estimate = Plenty();
  estimate.differing_clusters = 29;
  const Assessment assessment = Assess(estimate, {-.004, .004}, kMargin);
  EXPECT_EQ(assessment.verdict, Verdict::kUndecided);
  EXPECT_EQ(assessment.gate, Gate::kDifferingClusters);
  EXPECT_EQ(assessment.gate_has, 29);
  EXPECT_TRUE(assessment.not_worse);
  EXPECT_EQ(Assess(estimate, {-.004, -.001}, kMargin).verdict, Verdict::kBetter);
}

TEST(VerdictTest, BelowZeroBIsBetterAndAboveWorse) {
  const Assessment better = Assess(Plenty(), {-.02, -.001}, kMargin);
  EXPECT_EQ(better.verdict, Verdict::kBetter);
  EXPECT_FALSE(better.beyond_margin);
  EXPECT_TRUE(better.not_worse);
  EXPECT_TRUE(Assess(Plenty(), {-.02, -.006}, kMargin).beyond_margin);
  const Assessment worse = Assess(Plenty(), {.001, .02}, kMargin);
  EXPECT_EQ(worse.verdict, Verdict::kWorse);
  EXPECT_FALSE(worse.beyond_margin);
  EXPECT_FALSE(worse.not_worse);
  EXPECT_TRUE(Assess(Plenty(), {.006, .02}, kMargin).beyond_margin);
}

TEST(VerdictTest, AnIntervalAroundZeroDecidesNothingButMayShowThatBIsNotWorse) {
  const Assessment assessment = Assess(Plenty(), {-.02, .004}, kMargin);
  EXPECT_EQ(assessment.verdict, Verdict::kUndecided);
  EXPECT_EQ(assessment.gate, Gate::kNone);
  EXPECT_TRUE(assessment.not_worse);
  EXPECT_FALSE(Assess(Plenty(), {-.02, .02}, kMargin).not_worse);
  EXPECT_EQ(Assess(Plenty(), {-.02, 0}, kMargin).verdict, Verdict::kUndecided);
}

// Sizes at which 80 % of the comparisons are decided, computed with NumPy and SciPy 1.17 from the
// formula of avlm's radius.
TEST(VerdictTest, ClustersNeededAreThoseOfTheCostOfLooking) {
  const auto anytime = [](int64_t n) { return AnytimeRadius(n, .05, MixtureScale(.05, 100)); };
  EXPECT_EQ(ClustersNeeded(.3, 1, anytime), 172);
  EXPECT_EQ(ClustersNeeded(.2, 1, anytime), 397);
  EXPECT_EQ(ClustersNeeded(.1, 1, anytime), 1733);
  // Twice the deviation and twice the effect are the same.
  EXPECT_EQ(ClustersNeeded(.6, 2, anytime), 172);
  const auto fixed = [](int64_t) { return 1.96; };
  EXPECT_NEAR(static_cast<double>(*ClustersNeeded(.3, 1, fixed)), 87, 1);
  EXPECT_NEAR(static_cast<double>(*ClustersNeeded(.2, 1, fixed)), 196, 1);
  EXPECT_NEAR(static_cast<double>(*ClustersNeeded(.1, 1, fixed)), 784, 1);
}

TEST(VerdictTest, ClustersNeededAreNotSaidBeyondTenMillion) {
  const auto fixed = [](int64_t) { return 1.96; };
  EXPECT_EQ(ClustersNeeded(0, 1, fixed), std::nullopt);
  EXPECT_EQ(ClustersNeeded(1e-6, 1, fixed), std::nullopt);
  // (2.8016 / 0.0008)^2 is 12.3 million, 0.00089 needs 9.9.
  EXPECT_EQ(ClustersNeeded(.0008, 1, fixed), std::nullopt);
  EXPECT_NEAR(static_cast<double>(*ClustersNeeded(.00089, 1, fixed)), 9'909'000, 1000);
}

}  // namespace
}  // namespace scanserve::compare
