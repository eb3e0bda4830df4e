#include "core/experiment/answer_drift.h"

#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"

namespace scanserve::experiment {
namespace {

using compare::Interval;
using compare::PairedCluster;

UnitKey Key(int i) { return UnitKey::Of(absl::StrCat("unit-", i)); }

std::string Written(const AnswerDrift& drift) {
  base::ByteWriter writer;
  drift.Write(writer);
  return writer.Take();
}

TEST(AnswerDriftTest, AnswersOfOneUnitAreOneCluster) {
  AnswerDrift drift;
  drift.Add(Key(0), {{1, 10, 0}, 2});
  drift.Add(Key(1), {{2, 20, 0}, 0});
  drift.Add(Key(0), {{3, 10, 0}, 3});
  const compare::RatioEstimate estimate = drift.estimate();
  EXPECT_EQ(estimate.clusters, 2);
  EXPECT_EQ(estimate.tokens, 40);
  EXPECT_EQ(estimate.ratio, 6. / 40);
  EXPECT_EQ(drift.counts().scored, 3);
  EXPECT_EQ(drift.counts().other_choices, 5);
}

// The one that PairedComparison gives for clusters that come open-ended.
TEST(AnswerDriftTest, TheIntervalHoldsAtAnyNumberOfLooks) {
  std::mt19937_64 generator(1);
  std::exponential_distribution<double> skewed;
  AnswerDrift drift;
  for (int i = 0; i < 60; ++i) drift.Add(Key(i), {{skewed(generator), 3. + i % 4, 0}, 0});
  const compare::RatioEstimate estimate = drift.estimate();
  const Interval interval = AnswerDrift::AnytimeInterval(estimate, .02);
  const Interval expected = compare::HullInterval(
      estimate, compare::AnytimeRadius(60, .02, compare::MixtureScale(.02, 100)));
  EXPECT_EQ(interval.low, expected.low);
  EXPECT_EQ(interval.high, expected.high);
  EXPECT_GT(interval.low, 0);
}

TEST(AnswerDriftTest, NothingBoundsADriftOfFewUnitsOrOneThatNeverDiffers) {
  AnswerDrift drift;
  EXPECT_FALSE(AnswerDrift::AnytimeInterval(drift.estimate(), .05).bounded());
  drift.Add(Key(0), {{1, 10, 0}, 0});
  EXPECT_FALSE(AnswerDrift::AnytimeInterval(drift.estimate(), .05).bounded());
  AnswerDrift same;
  for (int i = 0; i < 100; ++i) same.Add(Key(i), {{0, 10, 0}, 0});
  EXPECT_EQ(same.estimate().ratio, 0);
  EXPECT_FALSE(AnswerDrift::AnytimeInterval(same.estimate(), .05).bounded());
}

TEST(AnswerDriftTest, GoesOnAfterARestartToTheBit) {
  std::mt19937_64 generator(3);
  std::normal_distribution<double> normal;
  AnswerDrift straight;
  AnswerDrift restarted;
  for (int i = 0; i < 200; ++i) {
    const AnswerPair answer = {{normal(generator), 3, normal(generator)}, i % 3};
    const UnitKey unit = Key(static_cast<int>(generator() % 150));
    const std::string saved = Written(restarted);
    base::ByteReader reader(saved);
    restarted = AnswerDrift();
    ASSERT_TRUE(restarted.Read(reader));
    ASSERT_TRUE(reader.complete());
    for (AnswerDrift* drift : {&straight, &restarted}) {
      drift->CountAnswer();
      drift->CountDropped(static_cast<ShadowDrop>(i % 3));
      drift->Add(unit, answer);
    }
  }
  EXPECT_EQ(Written(straight), Written(restarted));
  EXPECT_EQ(straight.estimate().jackknife_error, restarted.estimate().jackknife_error);
  EXPECT_EQ(restarted.counts().answers, 200);
  EXPECT_EQ(restarted.counts().scored, 200);
  EXPECT_EQ(restarted.counts().dropped.queue_full, 67);
  EXPECT_EQ(restarted.counts().dropped.unscorable, 67);
  EXPECT_EQ(restarted.counts().dropped.failed, 66);
  EXPECT_EQ(restarted.counts().other_choices, 199);
}

TEST(AnswerDriftTest, ReadsNoUnitTwiceAndNothingThatIsCut) {
  AnswerDrift drift;
  drift.Add(Key(0), {{1, 10, 0}, 0});
  const std::string saved = Written(drift);
  for (size_t size = 0; size < saved.size(); ++size) {
    base::ByteReader reader(absl::string_view(saved).substr(0, size));
    EXPECT_FALSE(AnswerDrift().Read(reader)) << size;
  }
  constexpr size_t kCountBytes = 7 * 8;
  std::string twice = saved + saved.substr(kCountBytes);
  twice[kCountBytes - 8] = 2;
  base::ByteReader reader(twice);
  EXPECT_FALSE(AnswerDrift().Read(reader));
}

}  // namespace
}  // namespace scanserve::experiment
