#include "core/experiment/shadow_scores.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace scanserve::experiment {
namespace {

Design ShadowDesign() {
  Design design;
  design.id = "trial";
  design.salt = "salt";
  design.arms = {{"control", 1, 0}, {"tour", 0, kWhole}};
  return design;
}

UnitKey Key(int i) { return UnitKey::Of(absl::StrCat("unit-", i)); }

TEST(ShadowScoresTest, RequestsOfOneUnitAreOneCluster) {
  ShadowScores scores(ShadowDesign());
  scores.Add(Key(0), {1, 10, 0}, absl::UnixEpoch());
  scores.Add(Key(1), {2, 20, 0}, absl::UnixEpoch());
  scores.Add(Key(0), {3, 10, 0}, absl::UnixEpoch());
  ASSERT_EQ(scores.comparison().clusters(), 2);
  EXPECT_EQ(scores.comparison().state().clusters[0].difference, 4);
  EXPECT_EQ(scores.comparison().state().clusters[0].tokens, 20);
  EXPECT_EQ(scores.counts().scored, 3);
}

TEST(ShadowScoresTest, WhatWasDroppedUnderLoadCountsAgainstTheCoverage) {
  ShadowScores scores(ShadowDesign());
  EXPECT_TRUE(scores.counts().covered());
  for (int i = 0; i < 19; ++i) scores.Add(Key(i), {1, 1, 0}, absl::UnixEpoch());
  scores.CountDropped(ShadowDrop::kQueueFull);
  EXPECT_TRUE(scores.counts().covered());
  for (int i = 0; i < 100; ++i) scores.CountDropped(ShadowDrop::kUnscorable);
  EXPECT_TRUE(scores.counts().covered());
  scores.CountDropped(ShadowDrop::kFailed);
  EXPECT_FALSE(scores.counts().covered());
}

TEST(ShadowScoresTest, APromptWithoutScoredTokensIsUnscorable) {
  ShadowScores scores(ShadowDesign());
  EXPECT_FALSE(scores.Add(Key(0), {}, absl::UnixEpoch()).has_value());
  EXPECT_EQ(scores.counts().scored, 0);
  EXPECT_EQ(scores.counts().dropped.unscorable, 1);
}

TEST(ShadowScoresTest, PeekingLeavesNoTrace) {
  ShadowScores scores(ShadowDesign());
  // The last ones without a look.
  for (int i = 0; i < 1'005; ++i) scores.Add(Key(i), {-1. - i % 2, 10, 0}, absl::UnixEpoch());
  base::ByteWriter before;
  scores.Write(before);
  const compare::ComparisonLook look = scores.Peek(absl::Now());
  EXPECT_EQ(look.estimate.clusters, 1'005);
  EXPECT_EQ(look.assessment.verdict, compare::Verdict::kBetter);
  base::ByteWriter after;
  scores.Write(after);
  EXPECT_EQ(before.data(), after.data());
}

TEST(ShadowScoresTest, AlphaIsSharedByTheChallengers) {
  Design design = ShadowDesign();
  const auto interval = [](const Design& d) {
    ShadowScores scores(d);
    for (int i = 0; i < 100; ++i) scores.Add(Key(i), {1. - i % 3, 10, 0}, absl::UnixEpoch());
    return scores.Peek(absl::UnixEpoch()).interval;
  };
  const compare::Interval one = interval(design);
  design.arms.push_back({"other", 0, kWhole});
  design.alpha = .1;
  EXPECT_EQ(interval(design).low, one.low);
}

TEST(ShadowScoresTest, GoesOnAfterARestartToTheBit) {
  std::mt19937_64 generator(3);
  std::normal_distribution<double> normal;
  ShadowScores straight(ShadowDesign());
  ShadowScores restarted(ShadowDesign());
  for (int i = 0; i < 300; ++i) {
    const compare::PairedCluster cluster = {-.5 + normal(generator), 3, normal(generator)};
    const UnitKey unit = Key(static_cast<int>(generator() % 250));
    const absl::Time now = absl::UnixEpoch() + absl::Nanoseconds(1'000 * i + 1);
    base::ByteWriter writer;
    restarted.Write(writer);
    base::ByteReader reader(writer.data());
    restarted = ShadowScores(ShadowDesign());
    ASSERT_TRUE(restarted.Read(reader));
    ASSERT_TRUE(reader.complete());
    straight.Add(unit, cluster, now);
    restarted.Add(unit, cluster, now);
  }
  ASSERT_TRUE(straight.comparison().first_verdict().has_value());
  base::ByteWriter one;
  base::ByteWriter two;
  straight.Write(one);
  restarted.Write(two);
  EXPECT_EQ(one.data(), two.data());
  const compare::Interval& intersection = straight.comparison().state().intersection;
  EXPECT_LT(intersection.low, 0);
  EXPECT_EQ(restarted.comparison().state().intersection.low, intersection.low);
  EXPECT_EQ(restarted.comparison().state().intersection.high, intersection.high);
}

}  // namespace
}  // namespace scanserve::experiment
