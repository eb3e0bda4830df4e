#include "client/scanctl/bench_samples.h"

#include <gtest/gtest.h>

#include <fstream>

#include "nlohmann/json.hpp"

namespace scanserve::client {
namespace {

TEST(BenchSamplesTest, SummarizesAsNumPy) {
  std::ifstream file(SCANSERVE_SOURCE_DIR "/tests/golden/latency_statistics/cases.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 6);
  for (const auto& expected : cases) {
    BenchSamples samples;
    for (const double value : expected["values"]) samples.Add(value);
    const BenchSummary summary = samples.Summarize();
    EXPECT_EQ(summary.count, expected["values"].size());
    EXPECT_NEAR(summary.mean, expected["mean"], 1e-12);
    EXPECT_NEAR(summary.p50, expected["p50"], 1e-12);
    EXPECT_NEAR(summary.p90, expected["p90"], 1e-12);
    EXPECT_NEAR(summary.p99, expected["p99"], 1e-12);
    EXPECT_EQ(summary.max, expected["max"]);
  }
}

TEST(BenchSamplesTest, IsAllZeroWithoutSamples) {
  const BenchSummary summary = BenchSamples().Summarize();
  EXPECT_EQ(summary.count, 0);
  EXPECT_EQ(summary.p99, 0);
}

TEST(BenchSamplesTest, PastItsBoundEstimatesQuantilesAndKeepsTheRestExact) {
  BenchSamples samples(10'000);
  // Ascending, so that a choice of the first or the last ones would show.
  for (int i = 0; i < 200'000; ++i) samples.Add(i);
  const BenchSummary summary = samples.Summarize();
  EXPECT_EQ(summary.count, 200'000);
  EXPECT_EQ(summary.mean, 99'999.5);
  EXPECT_EQ(summary.max, 199'999);
  // Five standard errors of a quantile of 10,000 samples.
  EXPECT_NEAR(summary.p50, 100'000, 5 * 1000);
  EXPECT_NEAR(summary.p99, 198'000, 5 * 200);
}

}  // namespace
}  // namespace scanserve::client
