#include "core/compare/ratio_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace scanserve::compare {
namespace {

std::vector<PairedCluster> TinySet() {
  return {{1, 100, 0}, {-2, 200, 0}, {3, 150, 0}, {.5, 50, 0}, {-1, 120, 0}, {2.5, 180, 0}};
}

// NumPy, from the formulas of the header; the skewness also in exact fractions.
TEST(RatioEstimateTest, EqualsNumPyOnSixClusters) {
  const RatioEstimate estimate = EstimateRatio(TinySet());
  EXPECT_EQ(estimate.clusters, 6);
  EXPECT_EQ(estimate.tokens, 800);
  EXPECT_NEAR(estimate.ratio, .005, 1e-15);
  EXPECT_NEAR(estimate.linearised_error, .0060459180, 1e-10);
  EXPECT_NEAR(estimate.jackknife_error, .0064420251, 1e-10);
  EXPECT_NEAR(estimate.skewness, -.44019589322648855, 1e-14);
  EXPECT_NEAR(estimate.effective_clusters, 5.2545155993, 1e-10);
  EXPECT_NEAR(estimate.cluster_mean, (.01 - .01 + .02 + .01 - 1. / 120 + 2.5 / 180) / 6, 1e-15);
}

// inspect_ai tests/scorer/test_metric.py: values 0 to 19, cluster i mod 4, standard error .645.
TEST(RatioEstimateTest, LinearisesAsInspectAiClustersAMean) {
  std::vector<PairedCluster> clusters(4);
  for (int i = 0; i < 20; ++i) {
    clusters[static_cast<size_t>(i % 4)].difference += i;
    clusters[static_cast<size_t>(i % 4)].tokens += 1;
  }
  const RatioEstimate estimate = EstimateRatio(clusters);
  EXPECT_EQ(estimate.ratio, 9.5);
  EXPECT_NEAR(estimate.linearised_error, .645, .0006);
}

TEST(RatioEstimateTest, JackknifeIsThatOfLeavingEachClusterOut) {
  const std::vector<PairedCluster> clusters = TinySet();
  const double ratio = EstimateRatio(clusters).ratio;
  double squares = 0;
  for (size_t left_out = 0; left_out < clusters.size(); ++left_out) {
    std::vector<PairedCluster> rest = clusters;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(left_out));
    squares += std::pow(EstimateRatio(rest).ratio - ratio, 2);
  }
  EXPECT_NEAR(EstimateRatio(clusters).jackknife_error, std::sqrt(squares * 5 / 6), 1e-15);
}

TEST(RatioEstimateTest, DesignEffectIsOneForIndependentTokensAndTheLengthForEqualOnes) {
  std::mt19937_64 generator(1);
  std::normal_distribution<double> normal;
  std::vector<PairedCluster> independent;
  std::vector<PairedCluster> equal;
  for (int document = 0; document < 4000; ++document) {
    PairedTokens tokens;
    for (int i = 0; i < 25; ++i) tokens.Add(0, normal(generator));
    independent.push_back(tokens.cluster());
    equal.push_back({25 * normal(generator), 25, 0});
  }
  EXPECT_NEAR(EstimateRatio(independent).design_effect, 1, .1);
  EXPECT_NEAR(EstimateRatio(equal).design_effect, 25, .1);
}

TEST(RatioEstimateTest, CountsClustersInWhichAnyTokenDiffers) {
  EXPECT_EQ(EstimateRatio({{{0, 5, 0}, {0, 5, 1e-12}, {1e-9, 5, 0}}}).differing_clusters, 2);
}

TEST(RatioEstimateTest, CancelsNothingWhereAllDifferencesAreLargeAndAlike) {
  std::vector<PairedCluster> clusters;
  for (int i = 0; i < 50; ++i) clusters.push_back({1e9 + (i % 2), 1, 0});
  // Half of the values lie 1/2 above and half below: deviation sqrt(50/49)/2, over sqrt(50).
  EXPECT_NEAR(EstimateRatio(clusters).jackknife_error, .5 / 7, 1e-9);
}

TEST(RatioEstimateTest, SaysOfFewClustersWhatCanBeSaid) {
  EXPECT_EQ(EstimateRatio({}).clusters, 0);
  const std::vector<PairedCluster> one = {{2, 4, 1}};
  EXPECT_EQ(EstimateRatio(one).ratio, .5);
  EXPECT_EQ(EstimateRatio(one).jackknife_error, 0);
}

}  // namespace
}  // namespace scanserve::compare
