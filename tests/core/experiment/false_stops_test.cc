// How often guardrails stop an experiment whose arms do not differ, looked at after every request,
// and how soon they stop one whose arms do. Seeded simulations; the measured numbers are printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "core/experiment/statistics.h"

namespace scanserve::experiment {
namespace {

constexpr int kRuns = 200;
constexpr int kUnits = 400;

// Units of one to three requests, which have a pace of their own; latencies are skewed even in
// their logarithms. Returns the units at which the experiment stopped, or -1.
int64_t StopOf(uint64_t seed, double slower, double failing) {
  Design design;
  design.id = "trial";
  design.salt = "salt";
  design.arms = {{"control", 1, 0}, {"same", 1, 0}};
  design.guardrails = {{Metric::kTimeToFirstToken, 0}, {Metric::kErrors, 0}};
  Statistics statistics(design);
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  std::exponential_distribution<double> skewed;
  std::uniform_real_distribution<double> uniform;
  for (uint64_t i = 0; i < kUnits; ++i) {
    const UnitKey unit = {i, i};
    const size_t arm = generator() % 2;
    statistics.Expose(unit, arm, absl::UnixEpoch());
    const double pace = .3 * normal(generator) + (arm == 1 ? slower : 0);
    for (uint64_t request = 0; request <= i % 3; ++request) {
      Outcome outcome;
      outcome.latencies[0] = absl::Seconds(.05 * std::exp(pace + .3 * skewed(generator)));
      if (uniform(generator) < .05 + (arm == 1 ? failing : 0)) outcome.end = Outcome::End::kError;
      if (statistics.Record(unit, outcome, absl::UnixEpoch())) return static_cast<int64_t>(i) + 1;
    }
  }
  return -1;
}

std::vector<int64_t> Stops(double slower, double failing) {
  std::vector<int64_t> stops;
  for (uint64_t run = 0; run < kRuns; ++run) stops.push_back(StopOf(run + 1, slower, failing));
  std::sort(stops.begin(), stops.end());
  return stops;
}

TEST(FalseStopsTest, AreUnderAlphaForArmsThatDoNotDiffer) {
  const std::vector<int64_t> stops = Stops(0, 0);
  const auto stopped = std::count_if(stops.begin(), stops.end(), [](int64_t n) { return n > 0; });
  std::cout << "guardrails at margin 0, equal arms: " << stopped << " of " << kRuns
            << " experiments stopped\n";
  // .05 + 2.33 standard errors
  EXPECT_LE(stopped, kRuns * .086);
}

TEST(FalseStopsTest, AnArmThatIsAQuarterSlowerIsStopped) {
  const std::vector<int64_t> stops = Stops(.22, 0);
  std::cout << "25 % slower: stopped at a median of " << stops[kRuns / 2] << " units\n";
  EXPECT_GT(stops.front(), 0);
  EXPECT_LE(stops[kRuns / 2], 380);
}

}  // namespace
}  // namespace scanserve::experiment
