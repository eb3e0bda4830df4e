#include "core/compare/paired_cluster.h"

#include <gtest/gtest.h>

#include <vector>

namespace scanserve::compare {
namespace {

struct Token {
  double a;
  double b;
};

PairedCluster ClusterOf(const std::vector<Token>& tokens) {
  PairedTokens sum;
  for (const Token& token : tokens) sum.Add(token.a, token.b);
  return sum.cluster();
}

// Differences 1, -2, 4: mean 1, squared distances 0, 9, 9.
TEST(PairedClusterTest, AddsUpDifferencesOfBFromAAndTheirSpread) {
  const PairedCluster cluster = ClusterOf({{1, 2}, {3, 1}, {0, 4}});
  EXPECT_EQ(cluster.difference, 3);
  EXPECT_EQ(cluster.tokens, 3);
  EXPECT_EQ(cluster.spread, 18);
}

TEST(PairedClusterTest, KeepsItsSpreadUnderALargeCommonDifference) {
  const double offset = 1 << 30;
  const PairedCluster cluster = ClusterOf({{0, offset + 1}, {0, offset + 2}, {0, offset + 3}});
  EXPECT_EQ(cluster.spread, 2);
}

TEST(PairedClusterTest, DiffersWhenAnyTokenDoesThoughTheSumIsZero) {
  EXPECT_FALSE(ClusterOf({}).differs());
  EXPECT_FALSE(ClusterOf({{5, 5}, {2, 2}}).differs());
  EXPECT_TRUE(ClusterOf({{5, 5}, {2, 3}}).differs());
  EXPECT_TRUE(ClusterOf({{5, 6}, {2, 1}}).differs());
}

TEST(PairedClusterTest, MergesIntoWhatAllTokensTogetherGive) {
  const PairedCluster whole = ClusterOf({{1, 2}, {3, 1}, {0, 4}, {2, 9}, {1, 0}});
  PairedCluster merged;
  merged.Merge(ClusterOf({{1, 2}, {3, 1}}));
  merged.Merge(ClusterOf({}));
  merged.Merge(ClusterOf({{0, 4}, {2, 9}, {1, 0}}));
  EXPECT_EQ(merged.difference, whole.difference);
  EXPECT_EQ(merged.tokens, whole.tokens);
  EXPECT_DOUBLE_EQ(merged.spread, whole.spread);
}

}  // namespace
}  // namespace scanserve::compare
