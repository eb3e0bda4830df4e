#include "core/compare/paired_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace scanserve::compare {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

std::vector<PairedCluster> Clusters(int count, double mean, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<PairedCluster> clusters;
  for (int i = 0; i < count; ++i) {
    const double tokens = 20 + static_cast<double>(generator() % 200);
    clusters.push_back({tokens * (mean + normal(generator)), tokens, tokens});
  }
  return clusters;
}

ComparisonLook Straight(const std::vector<PairedCluster>& clusters,
                        const ComparisonOptions& options = {}) {
  PairedComparison comparison(options);
  for (const PairedCluster& cluster : clusters) comparison.Add(cluster);
  return comparison.LookAtEnd(kNow);
}

void ExpectSameBits(double a, double b) {
  EXPECT_EQ(std::bit_cast<uint64_t>(a), std::bit_cast<uint64_t>(b)) << a << " and " << b;
}

TEST(PairedComparisonTest, LookingOnTheWayChangesNoBitOfTheEnd) {
  const std::vector<PairedCluster> clusters = Clusters(300, .1, 1);
  PairedComparison looked_at({});
  for (const PairedCluster& cluster : clusters) {
    looked_at.Add(cluster);
    looked_at.Look(kNow);
  }
  const ComparisonLook streamed = looked_at.LookAtEnd(kNow);
  const ComparisonLook batch = Straight(clusters);
  ExpectSameBits(streamed.estimate.ratio, batch.estimate.ratio);
  ExpectSameBits(streamed.estimate.jackknife_error, batch.estimate.jackknife_error);
  ExpectSameBits(streamed.estimate.skewness, batch.estimate.skewness);
  ExpectSameBits(streamed.estimate.design_effect, batch.estimate.design_effect);
  ExpectSameBits(streamed.interval.low, batch.interval.low);
  ExpectSameBits(streamed.interval.high, batch.interval.high);
}

TEST(PairedComparisonTest, AnyOrderOfArrivalEndsInTheSameInterval) {
  std::vector<PairedCluster> clusters = Clusters(300, .1, 2);
  const ComparisonLook one = Straight(clusters);
  std::shuffle(clusters.begin(), clusters.end(), std::mt19937_64(3));
  const ComparisonLook other = Straight(clusters);
  EXPECT_NEAR(other.interval.low, one.interval.low, 1e-13);
  EXPECT_NEAR(other.interval.high, one.interval.high, 1e-13);
}

TEST(PairedComparisonTest, HybridSpendsAFifthOfAlphaOnLooksAndTheRestAtTheEnd) {
  PairedComparison comparison({});
  for (const PairedCluster& cluster : Clusters(120, 0, 4)) comparison.Add(cluster);
  const ComparisonLook look = comparison.Look(kNow);
  const Interval on_the_way =
      HullInterval(look.estimate, AnytimeRadius(120, .01, MixtureScale(.01, 100)));
  EXPECT_DOUBLE_EQ(look.interval.low, on_the_way.low);
  EXPECT_FALSE(look.at_end);
  const ComparisonLook end = comparison.LookAtEnd(kNow);
  EXPECT_DOUBLE_EQ(end.interval.high, HullInterval(end.estimate, FixedRadius(120, .04)).high);
  EXPECT_TRUE(end.at_end);
}

TEST(PairedComparisonTest, OpenEndedSpendsAllOfAlphaOnLooksAtTheEndToo) {
  PairedComparison comparison({.alpha = .1, .plan = Plan::kOpenEnded, .tuned_clusters = 200});
  for (const PairedCluster& cluster : Clusters(120, 0, 5)) comparison.Add(cluster);
  const double radius = AnytimeRadius(120, .1, MixtureScale(.1, 200));
  const ComparisonLook look = comparison.Look(kNow);
  EXPECT_DOUBLE_EQ(look.interval.low, HullInterval(look.estimate, radius).low);
  EXPECT_DOUBLE_EQ(comparison.LookAtEnd(kNow).interval.low, look.interval.low);
}

TEST(PairedComparisonTest, StopsAtAVerdictFromAHundredClustersOn) {
  PairedComparison comparison({});
  const std::vector<PairedCluster> clusters = Clusters(100, 3, 6);
  for (size_t i = 0; i < clusters.size(); ++i) {
    comparison.Add(clusters[i]);
    const ComparisonLook look = comparison.Look(kNow);
    EXPECT_EQ(look.assessment.verdict == Verdict::kWorse, i + 1 >= 50) << i;
    EXPECT_EQ(look.may_stop, i + 1 >= 100) << i;
  }
}

TEST(PairedComparisonTest, NeverStopsBecauseAllWasIdenticalSoFar) {
  PairedComparison comparison({});
  for (int i = 0; i < 200; ++i) comparison.Add({0, 10, 0});
  const ComparisonLook look = comparison.Look(kNow);
  EXPECT_TRUE(look.assessment.identical);
  EXPECT_FALSE(look.may_stop);
  EXPECT_FALSE(comparison.first_verdict().has_value());
}

TEST(PairedComparisonTest, KeepsTheFirstVerdictWithItsTime) {
  PairedComparison comparison({});
  absl::Time time = kNow;
  for (const PairedCluster& cluster : Clusters(80, 3, 7)) {
    comparison.Add(cluster);
    comparison.Look(time);
    time += absl::Seconds(1);
  }
  ASSERT_TRUE(comparison.first_verdict().has_value());
  EXPECT_EQ(comparison.first_verdict()->verdict, Verdict::kWorse);
  EXPECT_EQ(comparison.first_verdict()->clusters, 50);
  EXPECT_EQ(comparison.first_verdict()->time, kNow + absl::Seconds(49));
}

TEST(PairedComparisonTest, ReportsAContradictionWhenTheOrderWasNotRandomAndKeepsIt) {
  PairedComparison comparison({});
  for (const PairedCluster& cluster : Clusters(100, 3, 8)) comparison.Add(cluster);
  EXPECT_FALSE(comparison.Look(kNow).contradiction);
  for (const PairedCluster& cluster : Clusters(900, -3, 9)) comparison.Add(cluster);
  const ComparisonLook look = comparison.Look(kNow);
  EXPECT_EQ(look.assessment.verdict, Verdict::kBetter);
  EXPECT_TRUE(look.contradiction);
  EXPECT_EQ(comparison.first_verdict()->verdict, Verdict::kWorse);
  EXPECT_TRUE(comparison.LookAtEnd(kNow).contradiction);
}

TEST(PairedComparisonTest, IntervalsThatFailAGateContradictNothing) {
  PairedComparison comparison({});
  for (const PairedCluster& cluster : Clusters(40, 3, 8)) comparison.Add(cluster);
  EXPECT_GT(comparison.Look(kNow).interval.low, 0);
  for (const PairedCluster& cluster : Clusters(900, -3, 9)) comparison.Add(cluster);
  const ComparisonLook look = comparison.Look(kNow);
  EXPECT_EQ(look.assessment.verdict, Verdict::kBetter);
  EXPECT_FALSE(look.contradiction);
}

TEST(PairedComparisonTest, LeavesClustersWithoutTokensOut) {
  PairedComparison comparison({});
  comparison.Add({0, 0, 0});
  EXPECT_EQ(comparison.clusters(), 0);
}

TEST(PairedComparisonTest, LooksAreDueAtEachOfAThousandClustersAndThenAtEachPercent) {
  PairedComparison comparison({});
  int64_t looks = 0;
  for (int i = 0; i < 20'000; ++i) {
    comparison.Add({i % 2 == 0 ? 1. : -1., 1, 0});
    if (!comparison.IsLookDue()) continue;
    comparison.Look(kNow);
    ++looks;
    EXPECT_FALSE(comparison.IsLookDue());
    if (i == 999) {
      EXPECT_EQ(looks, 1000);
    }
  }
  // 1.01^300 is 20.
  EXPECT_NEAR(static_cast<double>(looks), 1300, 20);
}

TEST(PairedComparisonTest, ClustersToDecideAimAtTheNearerOfASignAndTheMargin) {
  const ComparisonOptions options = {.margin = .5, .plan = Plan::kOpenEnded};
  const PairedComparison comparison(options);
  const auto needed = [&](double ratio) {
    RatioEstimate estimate;
    estimate.clusters = 100;
    estimate.ratio = ratio;
    estimate.jackknife_error = .1;  // deviation 1
    return comparison.ClustersToDecide(estimate);
  };
  EXPECT_EQ(needed(.3), 172);
  EXPECT_EQ(needed(-.3), 172);
  EXPECT_EQ(needed(.2), 172);  // .3 within the margin
  EXPECT_LT(*needed(0), 100);
  EXPECT_EQ(comparison.ClustersToDecide({}), std::nullopt);
}

}  // namespace
}  // namespace scanserve::compare
