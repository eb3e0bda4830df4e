#include "client/scanctl/bench_schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace scanserve::client {
namespace {

const BenchTime kBegin{std::chrono::hours(1)};

TEST(BenchScheduleTest, ClosedLoopWaitsForAnswersAndThoughts) {
  BenchSettings settings;
  settings.clients = 2;
  settings.think_time = absl::Seconds(3);
  BenchSchedule schedule(settings, kBegin);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(schedule.Next(), kBegin);
    schedule.Pop();
  }
  EXPECT_EQ(schedule.Next(), std::nullopt);
  schedule.Answered(kBegin + std::chrono::seconds(9));
  schedule.Answered(kBegin + std::chrono::seconds(5));
  EXPECT_EQ(schedule.Next(), kBegin + std::chrono::seconds(8));
  schedule.Pop();
  EXPECT_EQ(schedule.Next(), kBegin + std::chrono::seconds(12));
}

TEST(BenchScheduleTest, OpenLoopKeepsItsTimesWhateverTheAnswers) {
  BenchSettings settings;
  settings.rate = 4;
  settings.poisson = false;
  BenchSchedule schedule(settings, kBegin);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(schedule.Next(), kBegin + i * std::chrono::milliseconds(250));
    schedule.Answered(kBegin + std::chrono::hours(1));
    schedule.Pop();
  }
}

std::vector<double> PoissonGaps(uint64_t seed, int count) {
  BenchSettings settings;
  settings.rate = 50;
  settings.seed = seed;
  BenchSchedule schedule(settings, kBegin);
  std::vector<double> gaps;
  for (int i = 0; i < count; ++i) {
    const BenchTime before = *schedule.Next();
    schedule.Pop();
    gaps.push_back(BenchSeconds(*schedule.Next() - before));
  }
  return gaps;
}

TEST(BenchScheduleTest, PoissonArrivalsHaveExponentialGapsOfTheRate) {
  constexpr int kCount = 20'000;
  const auto gaps = PoissonGaps(1, kCount);
  double sum = 0;
  int above_mean = 0;
  for (const double gap : gaps) {
    sum += gap;
    if (gap > 0.02) ++above_mean;
  }
  // Within five standard errors; 1 / e of exponential gaps are above their mean.
  EXPECT_NEAR(sum / kCount, 0.02, 5 * 0.02 / std::sqrt(kCount));
  EXPECT_NEAR(above_mean / double{kCount}, std::exp(-1), 5 * 0.482 / std::sqrt(kCount));
}

TEST(BenchScheduleTest, TheSeedDecidesTheArrivals) {
  EXPECT_EQ(PoissonGaps(1, 20), PoissonGaps(1, 20));
  EXPECT_NE(PoissonGaps(1, 20), PoissonGaps(2, 20));
}

}  // namespace
}  // namespace scanserve::client
