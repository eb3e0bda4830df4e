#include "core/compare/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

#include "core/compare/ratio_estimate.h"

namespace scanserve::compare {
namespace {

std::vector<PairedCluster> Values(const std::vector<double>& values) {
  std::vector<PairedCluster> clusters;
  for (const double value : values) clusters.push_back({value, 1, 0});
  return clusters;
}

// R's boot with a million draws, quoted by scipy/stats/tests/test_resampling.py with a relative
// tolerance of .005: BCa (32.31, 91.43), percentile (28.86, 84.21), basic (23.77, 79.12).
TEST(BootstrapTest, EqualsTheOneOfROnSixteenValues) {
  const std::vector<PairedCluster> clusters =
      Values({10, 12, 12.5, 12.5, 13.9, 15, 21, 22, 23, 34, 50, 81, 89, 121, 134, 213});
  const std::vector<double> ratios = BootstrapRatios(clusters, 1'000'000, 1);
  const Interval bca = BcaInterval(clusters, ratios, .05);
  EXPECT_NEAR(bca.low, 32.31, .005 * 32.31);
  EXPECT_NEAR(bca.high, 91.43, .005 * 91.43);
  const double low = QuantileOf(ratios, .025);
  const double high = QuantileOf(ratios, .975);
  EXPECT_NEAR(low, 28.86, .005 * 28.86);
  EXPECT_NEAR(high, 84.21, .005 * 84.21);
  const double mean = EstimateRatio(clusters).ratio;
  EXPECT_NEAR(2 * mean - high, 23.77, .005 * 23.77);
  EXPECT_NEAR(2 * mean - low, 79.12, .005 * 79.12);
}

// scipy/stats/tests/test_resampling.py: of 2,000 samples of 100 values of N(5, 1), 1,784 intervals
// of 90 % from 999 draws cover the mean. Two such counts are 19 apart in the standard deviation.
TEST(BootstrapTest, CoversAsOftenAsSciPys) {
  std::mt19937_64 generator(14);
  std::normal_distribution<double> normal(5, 1);
  int covered = 0;
  for (uint64_t sample = 0; sample < 2'000; ++sample) {
    std::vector<PairedCluster> clusters;
    for (int i = 0; i < 100; ++i) clusters.push_back({normal(generator), 1, 0});
    const Interval interval = BcaInterval(clusters, BootstrapRatios(clusters, 999, sample), .1);
    covered += interval.low <= 5 && 5 <= interval.high;
  }
  std::printf("%d of 2,000 intervals of 90 %% cover the mean\n", covered);
  EXPECT_NEAR(covered, 1'784, 2 * 19);
}

// Long clusters weigh more, and each stays whole.
TEST(BootstrapTest, DrawsClustersAndNotTokens) {
  const std::vector<PairedCluster> clusters = {{1, 1, 0}, {30, 10, 0}};
  const std::vector<double> ratios = BootstrapRatios(clusters, 4'000, 2);
  EXPECT_EQ(ratios.front(), 1);
  EXPECT_EQ(ratios.back(), 3);
  EXPECT_EQ(QuantileOf(ratios, .5), 31. / 11);
  EXPECT_NEAR(static_cast<double>(std::count(ratios.begin(), ratios.end(), 1.)), 1'000, 110);
}

TEST(BootstrapTest, IsTheSameForASeedAndMirroredByTheSign) {
  std::vector<PairedCluster> clusters = Values({1, 2, 4, 8, 16, 3});
  const std::vector<double> ratios = BootstrapRatios(clusters, 999, 3);
  EXPECT_EQ(ratios, BootstrapRatios(clusters, 999, 3));
  EXPECT_NE(ratios, BootstrapRatios(clusters, 999, 4));
  const Interval interval = BcaInterval(clusters, ratios, .05);
  for (PairedCluster& cluster : clusters) cluster.difference *= -1;
  const Interval mirrored = BcaInterval(clusters, BootstrapRatios(clusters, 999, 3), .05);
  EXPECT_NEAR(mirrored.low, -interval.high, 1e-12);
  EXPECT_NEAR(mirrored.high, -interval.low, 1e-12);
}

TEST(BootstrapTest, QuantilesLieBetweenTheNearestValues) {
  const std::vector<double> values = {1, 2, 4};
  EXPECT_EQ(QuantileOf(values, 0), 1);
  EXPECT_EQ(QuantileOf(values, .25), 1.5);
  EXPECT_EQ(QuantileOf(values, .75), 3);
  EXPECT_EQ(QuantileOf(values, 1), 4);
}

TEST(BootstrapTest, BoundsNothingOfOneClusterOrWhereNothingVaries) {
  for (const std::vector<PairedCluster>& clusters : {Values({1}), Values({2, 2, 2})}) {
    EXPECT_FALSE(BcaInterval(clusters, BootstrapRatios(clusters, 99, 1), .05).bounded());
  }
}

}  // namespace
}  // namespace scanserve::compare
