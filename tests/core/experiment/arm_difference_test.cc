#include "core/experiment/arm_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace scanserve::experiment {
namespace {

using compare::EstimateRatio;
using compare::PairedCluster;

Unit UnitIn(uint32_t arm, int64_t requests, int64_t errors, double log_sum, int64_t count) {
  Unit unit;
  unit.arm = arm;
  unit.sums.requests = requests;
  unit.sums.errors = errors;
  unit.sums.latencies[1] = {log_sum, count};
  return unit;
}

TEST(ArmDifferenceTest, ClustersAreUnitsOfTheArmThatHaveTheMetricAndAreNotExcluded) {
  base::BlockList<Unit> units;
  for (const Unit& unit : {UnitIn(0, 3, 1, -2, 2), UnitIn(1, 1, 0, -1, 1), UnitIn(0, 2, 0, 0, 0),
                           UnitIn(0, 5, 5, -9, 5)}) {
    units.Add(unit);
  }
  units.Change(3).excluded = true;
  ASSERT_EQ(ClustersOfArms(units, 3, Metric::kErrors).size(), 3u);
  EXPECT_EQ(ClustersOfArms(units, 3, Metric::kErrors)[1].size(), 1u);
  EXPECT_TRUE(ClustersOfArms(units, 3, Metric::kErrors)[2].empty());
  const auto errors = ClustersOfArms(units, 3, Metric::kErrors)[0];
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].difference, 1);
  EXPECT_EQ(errors[0].tokens, 3);
  EXPECT_EQ(errors[1].tokens, 2);
  const auto gaps = ClustersOfArms(units, 3, Metric::kInterTokenLatency)[0];
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].difference, -2);
  EXPECT_EQ(gaps[0].tokens, 2);
}

ArmDifference RandomDifference(size_t n_control, size_t n_arm, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::exponential_distribution<double> skewed;
  const auto draw = [&](size_t n) {
    std::vector<PairedCluster> clusters;
    for (size_t i = 0; i < n; ++i) {
      clusters.push_back({skewed(generator), 1. + static_cast<double>(generator() % 3), 0});
    }
    return EstimateRatio(clusters);
  };
  const auto control = draw(n_control);
  return {control, draw(n_arm)};
}

TEST(ArmDifferenceTest, VariancesAddAndTheMeansSubtract) {
  const ArmDifference difference = RandomDifference(80, 120, 1);
  EXPECT_EQ(difference.units(), 200);
  EXPECT_DOUBLE_EQ(difference.value(), difference.arm.ratio - difference.control.ratio);
  EXPECT_DOUBLE_EQ(std::pow(difference.error(), 2),
                   std::pow(difference.control.jackknife_error, 2) +
                       std::pow(difference.arm.jackknife_error, 2));
}

// Two arms of the same distribution and size have a symmetric difference; swapping them mirrors it.
TEST(ArmDifferenceTest, SkewnessOfTheArmsSubtracts) {
  const ArmDifference difference = RandomDifference(200, 50, 2);
  EXPECT_GT(difference.skewness(), 0);
  const ArmDifference mirrored = {difference.arm, difference.control};
  EXPECT_DOUBLE_EQ(mirrored.skewness(), -difference.skewness());
  const ArmDifference alike = {difference.arm, difference.arm};
  EXPECT_EQ(alike.skewness(), 0);
}

// With a second arm that never varies, what is left is the mean of the first one.
TEST(ArmDifferenceTest, AgainstAConstantItIsTheIntervalOfOneMean) {
  ArmDifference difference = RandomDifference(2, 300, 3);
  difference.control = EstimateRatio(std::vector<PairedCluster>{{1, 1, 0}, {1, 1, 0}});
  const double radius = compare::AnytimeRadius(302, .05, compare::MixtureScale(.05, 1'000));
  const compare::Interval one = compare::HullInterval(difference.arm, radius);
  const compare::Interval both = difference.AnytimeInterval(.05, 1'000);
  EXPECT_NEAR(both.low, one.low - 1, 1e-12);
  EXPECT_NEAR(both.high, one.high - 1, 1e-12);
}

TEST(ArmDifferenceTest, ALowerBoundIsNearerThanTheIntervalWithTheSameAlpha) {
  const ArmDifference difference = RandomDifference(500, 500, 4);
  EXPECT_GT(difference.AnytimeLowerBound(.05, 1'000), difference.AnytimeInterval(.05, 1'000).low);
  EXPECT_LT(difference.AnytimeLowerBound(.05, 1'000), difference.value());
}

TEST(ArmDifferenceTest, FewUnitsBoundNothing) {
  const ArmDifference one = RandomDifference(1, 50, 5);
  EXPECT_FALSE(one.defined());
  EXPECT_FALSE(one.AnytimeInterval(.05, 1'000).bounded());
  EXPECT_EQ(one.AnytimeLowerBound(.05, 1'000), -std::numeric_limits<double>::infinity());
  EXPECT_FALSE(RandomDifference(4, 4, 6).AnytimeInterval(.05, 1'000).bounded());
}

}  // namespace
}  // namespace scanserve::experiment
