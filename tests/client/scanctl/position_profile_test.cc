#include "client/scanctl/position_profile.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

void AddToken(int64_t position, double difference, v1::TokenDifferences& tokens,
              v1::TargetClass target_class = v1::TARGET_CLASS_CAUSAL) {
  tokens.add_positions(position);
  tokens.add_nlls_a(1);
  tokens.add_nlls_b(static_cast<float>(1 + difference));
  tokens.add_classes(target_class);
}

v1::TokenDifferences Document(int64_t index, int64_t first, int64_t last, double difference) {
  v1::TokenDifferences tokens;
  tokens.set_index(index);
  for (int64_t i = first; i <= last; ++i) AddToken(i, difference, tokens);
  return tokens;
}

TEST(PositionProfileTest, RangesDoubleFromTheFirstPosition) {
  PositionProfile profile(10);
  for (int64_t document = 0; document < 2; ++document) profile.Add(Document(document, 10, 18, 1));
  const auto ranges = profile.Ranges();
  ASSERT_EQ(ranges.size(), 5);
  const int64_t begins[] = {0, 1, 2, 4, 8};
  const int64_t ends[] = {1, 2, 4, 8, 16};
  const double tokens[] = {2, 2, 4, 8, 2};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(ranges[i].begin, begins[i]);
    EXPECT_EQ(ranges[i].end, ends[i]);
    EXPECT_EQ(ranges[i].estimate.tokens, tokens[i]);
    EXPECT_EQ(ranges[i].estimate.ratio, 1);
  }
}

TEST(PositionProfileTest, DocumentsAreTheClustersThoughTheyComeInChunks) {
  PositionProfile profile(1);
  profile.Add(Document(0, 9, 12, 2));
  profile.Add(Document(0, 13, 16, 2));
  profile.Add(Document(1, 9, 16, 0));
  const auto ranges = profile.Ranges();
  ASSERT_EQ(ranges.size(), 1);
  EXPECT_EQ(ranges[0].estimate.clusters, 2);
  EXPECT_EQ(ranges[0].estimate.ratio, 1);
  // Two clusters one apart on either side: standard error 1, t quantile of one degree of freedom.
  EXPECT_NEAR(ranges[0].interval.high, 1 + 12.7062, 1e-3);
}

TEST(PositionProfileTest, LeavesOutWhatLeaksWhatComesBeforeAndSingleDocuments) {
  PositionProfile profile(5);
  v1::TokenDifferences tokens;
  AddToken(4, 9, tokens);
  AddToken(5, 9, tokens, v1::TARGET_CLASS_LEAKED);
  AddToken(5, 9, tokens, v1::TARGET_CLASS_LOOKAHEAD);
  AddToken(5, 1, tokens);
  profile.Add(tokens);
  EXPECT_TRUE(profile.Ranges().empty());
  tokens.set_index(1);
  profile.Add(tokens);
  ASSERT_EQ(profile.Ranges().size(), 1);
  EXPECT_EQ(profile.Ranges()[0].estimate.tokens, 2);
  EXPECT_EQ(profile.Ranges()[0].estimate.ratio, 1);
}

}  // namespace
}  // namespace scanserve::client
