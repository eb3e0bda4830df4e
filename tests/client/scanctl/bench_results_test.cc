#include "client/scanctl/bench_results.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

BenchTime At(int milliseconds) { return BenchTime(std::chrono::milliseconds(milliseconds)); }

// Was to be sent at 100 ms, was sent at 120 ms; tokens at 200 (1), 230 (3) and 300 ms (1).
BenchOutcome Answer(int64_t index) {
  BenchOutcome outcome;
  outcome.index = index;
  outcome.intended = At(100);
  outcome.sent = At(120);
  outcome.deliveries = {{At(200), 1}, {At(230), 3}, {At(300), 1}};
  outcome.finished = At(310);
  outcome.prompt_tokens = 10;
  outcome.cached_tokens = 4;
  outcome.generated_tokens = 5;
  return outcome;
}

TEST(BenchResultsTest, CountsLatenciesFromTheIntendedStart) {
  BenchResults results(1, 0);
  results.Add(Answer(0));
  const BenchEntryResults& entry = results.entries()[0];
  EXPECT_NEAR(entry.start_delay.Summarize().max, 0.020, 1e-12);
  EXPECT_NEAR(entry.time_to_first_token.Summarize().max, 0.100, 1e-12);
  EXPECT_NEAR(entry.end_to_end.Summarize().max, 0.210, 1e-12);
}

TEST(BenchResultsTest, TakesGapsBetweenDeliveriesAndTheMeanOverTokens) {
  BenchResults results(1, 0);
  results.Add(Answer(0));
  const BenchSummary gaps = results.entries()[0].inter_token_latency.Summarize();
  EXPECT_EQ(gaps.count, 2);
  EXPECT_NEAR(gaps.mean, 0.050, 1e-12);
  EXPECT_NEAR(gaps.max, 0.070, 1e-12);
  const BenchSummary tokens = results.entries()[0].time_per_output_token.Summarize();
  EXPECT_EQ(tokens.count, 1);
  EXPECT_NEAR(tokens.mean, 0.100 / 4, 1e-12);
}

TEST(BenchResultsTest, LeavesTheWarmUpOut) {
  BenchResults results(1, 1);
  BenchOutcome warm_up = Answer(0);
  warm_up.sent = At(0);
  results.Add(warm_up);
  EXPECT_EQ(results.seconds(), 0);
  results.Add(Answer(1));
  EXPECT_EQ(results.totals().completed, 1);
  EXPECT_NEAR(results.seconds(), 0.190, 1e-12);
}

TEST(BenchResultsTest, AddsUpTheEntriesOfTheMix) {
  BenchResults results(2, 0);
  BenchOutcome second = Answer(1);
  second.entry = 1;
  results.Add(Answer(0));
  results.Add(second);
  EXPECT_EQ(results.entries()[1].completed, 1);
  EXPECT_EQ(results.totals().completed, 2);
  EXPECT_EQ(results.totals().prompt_tokens, 20);
  EXPECT_EQ(results.totals().cached_tokens, 8);
  EXPECT_EQ(results.totals().generated_tokens, 10);
}

TEST(BenchResultsTest, KeepsTheFirstMessageOfEachErrorAndNoLatencyOfIt) {
  BenchResults results(1, 0);
  BenchOutcome outcome = Answer(0);
  outcome.status = absl::ResourceExhaustedError("RESOURCE_EXHAUSTED: first");
  results.Add(outcome);
  outcome.status = absl::ResourceExhaustedError("second");
  results.Add(outcome);
  outcome.status = absl::InternalError("other");
  results.Add(outcome);
  const BenchEntryResults& entry = results.entries()[0];
  EXPECT_EQ(entry.failed, 3);
  EXPECT_EQ(entry.completed, 0);
  EXPECT_EQ(entry.end_to_end.Summarize().count, 0);
  EXPECT_EQ(entry.errors.size(), 2);
  EXPECT_EQ(entry.errors.at(absl::StatusCode::kResourceExhausted).count, 2);
  EXPECT_EQ(entry.errors.at(absl::StatusCode::kResourceExhausted).first_message, "first");
}

TEST(BenchResultsTest, TakesARequestThatWasCutOffForNoFailure) {
  BenchResults results(1, 0);
  BenchOutcome outcome = Answer(0);
  outcome.status = absl::CancelledError("stopped");
  outcome.cut_off = true;
  results.Add(outcome);
  EXPECT_EQ(results.totals().unfinished, 1);
  EXPECT_EQ(results.totals().failed, 0);
}

}  // namespace
}  // namespace scanserve::client
