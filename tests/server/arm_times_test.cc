#include "server/arm_times.h"

#include <gtest/gtest.h>

namespace scanserve::server {
namespace {

TEST(ArmTimesTest, TheRatioIsThatOfTheSumsAndItsIntervalComesFromDocuments) {
  ArmTimes times;
  v1::CompareTotals totals;
  times.Add(absl::Milliseconds(10), absl::Milliseconds(20));
  times.AddTo(totals, .05);
  EXPECT_FALSE(totals.has_time_ratio_low());
  times.Add(absl::Milliseconds(30), absl::Milliseconds(40));
  times.Add(absl::Milliseconds(20), absl::Milliseconds(30));
  times.AddTo(totals, .05);
  EXPECT_EQ(totals.time_a().nanos(), 60'000'000);
  EXPECT_EQ(totals.time_b().nanos(), 90'000'000);
  EXPECT_DOUBLE_EQ(totals.time_ratio(), 1.5);
  EXPECT_LT(totals.time_ratio_low(), 1.5);
  EXPECT_GT(totals.time_ratio_high(), 1.5);
}

TEST(ArmTimesTest, ArmsThatTakeTheSameHaveTheRatioOne) {
  ArmTimes times;
  for (int i = 1; i < 5; ++i) times.Add(absl::Milliseconds(i), absl::Milliseconds(i));
  v1::CompareTotals totals;
  times.AddTo(totals, .05);
  EXPECT_EQ(totals.time_ratio(), 1);
  EXPECT_EQ(totals.time_ratio_low(), 1);
  EXPECT_EQ(totals.time_ratio_high(), 1);
}

}  // namespace
}  // namespace scanserve::server
