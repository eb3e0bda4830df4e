#include "server/request_metrics.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/server/metric_values.h"

namespace scanserve::server {
namespace {

constexpr int kOrders = 200;
constexpr int kAdapters = 50;

CallEnd EndWith(const std::string& code, Rejection rejection = Rejection::kNone) {
  return {code, rejection, absl::Milliseconds(3)};
}

class RequestMetricsTest : public testing::Test {
 protected:
  MetricRegistry registry_;
  RequestMetrics metrics_{registry_, MetricsOptions(), "tiny"};
};

TEST_F(RequestMetricsTest, CountsEachCallOnceUnderWhatItEndedWith) {
  metrics_.CountArrival("Generate");
  metrics_.CountArrival("Generate");
  EXPECT_EQ(SumOf(registry_, "scanserve_open_requests", {{"method", "Generate"}}), 2);
  metrics_.CountEnd("Generate", {"tour", "kjv", "b"}, EndWith("OK"));
  metrics_.CountEnd("Generate", {}, EndWith("CANCELLED"));
  EXPECT_EQ(SumOf(registry_, "scanserve_open_requests"), 0);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_total"), 2);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_total",
                  {{"code", "OK"}, {"order", "tour"}, {"arm", "b"}, {"model", "tiny"}}),
            1);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_cancelled_total"), 1);
  EXPECT_EQ(SumOf(registry_, "scanserve_request_duration_seconds", {{"arm", "b"}}), 1);
}

TEST_F(RequestMetricsTest, TellsWhyCallsWereTurnedAway) {
  metrics_.CountEnd("Compare", {}, EndWith("RESOURCE_EXHAUSTED", Rejection::kOverload));
  metrics_.CountEnd("Compare", {}, EndWith("RESOURCE_EXHAUSTED", Rejection::kRateLimit));
  metrics_.CountEnd("Compare", {}, EndWith("UNAVAILABLE", Rejection::kDraining));
  metrics_.CountEnd("Compare", {}, EndWith("RESOURCE_EXHAUSTED"));
  const auto rejected = [&](const char* reason) {
    return SumOf(registry_, "scanserve_requests_rejected_total",
                 {{"method", "Compare"}, {"reason", reason}});
  };
  EXPECT_EQ(rejected("overload"), 1);
  EXPECT_EQ(rejected("rate_limit"), 1);
  EXPECT_EQ(rejected("draining"), 1);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_rejected_total"), 3);
}

TEST_F(RequestMetricsTest, LeavesOutLabelsThatDoNotApply) {
  metrics_.CountEnd("ListScanOrders", {}, EndWith("OK"));
  const auto series = SeriesOf(registry_, "scanserve_requests_total");
  ASSERT_EQ(series.size(), 1u);
  for (const auto& label : series.front().label) {
    EXPECT_TRUE(label.name == "model" || label.name == "method" || label.name == "code")
        << label.name;
  }
}

TEST_F(RequestMetricsTest, CountsWhatTheEngineDoes) {
  runtime::RequestObserver* observer = metrics_.ObserverOf("Generate", {"", "kjv", ""});
  observer->OnStarted(absl::Milliseconds(2), 7);
  observer->OnFirstToken(absl::Milliseconds(30));
  observer->OnToken(std::nullopt);
  observer->OnToken(absl::Milliseconds(5));
  observer->OnToken(absl::Milliseconds(-5));
  metrics_.engine_observer()->OnStep(12);
  EXPECT_EQ(SumOf(registry_, "scanserve_queue_time_seconds"), 1);
  EXPECT_EQ(SumOf(registry_, "scanserve_prompt_tokens_total", {{"adapter", "kjv"}}), 7);
  EXPECT_EQ(SumOf(registry_, "scanserve_generated_tokens_total", {{"adapter", "kjv"}}), 3);
  EXPECT_EQ(SumOf(registry_, "scanserve_time_to_first_token_seconds"), 1);
  const auto latency = SeriesOf(registry_, "scanserve_inter_token_latency_seconds");
  EXPECT_EQ(latency.front().histogram.sample_count, 2u);
  // A clock that was set back counts as no time.
  EXPECT_DOUBLE_EQ(latency.front().histogram.sample_sum, 0.005);
  EXPECT_EQ(SumOf(registry_, "scanserve_step_tokens"), 1);
}

TEST_F(RequestMetricsTest, HasTheBucketsThatItWasGiven) {
  MetricRegistry registry;
  MetricsOptions options;
  options.step_token_buckets = {3, 5};
  RequestMetrics metrics(registry, options, "tiny");
  for (const int64_t tokens : {3, 4, 6}) metrics.engine_observer()->OnStep(tokens);
  const auto series = SeriesOf(registry, "scanserve_step_tokens");
  ASSERT_EQ(series.size(), 1u);
  const auto& buckets = series.front().histogram.bucket;
  ASSERT_EQ(buckets.size(), 3u);
  EXPECT_EQ(buckets[0].upper_bound, 3);
  EXPECT_EQ(buckets[0].cumulative_count, 1u);
  EXPECT_EQ(buckets[1].cumulative_count, 2u);
  EXPECT_EQ(buckets[2].cumulative_count, 3u);
}

// With the standing families of a server, a scrape stays below 5,000 lines.
TEST_F(RequestMetricsTest, StaysSmallWithManyOrdersAndAdapters) {
  for (int order = 0; order < kOrders; ++order) {
    for (int adapter = 0; adapter < kAdapters; ++adapter) {
      const RequestLabels labels = {absl::StrCat("order", order), absl::StrCat("adapter", adapter),
                                    ""};
      for (const char* method : {"Generate", "ComputePerplexity", "ExtractHiddenStates"}) {
        metrics_.ObserverOf(method, labels)->OnStarted(absl::ZeroDuration(), 1);
        metrics_.CountEnd(method, labels, EndWith(order % 2 == 0 ? "OK" : "INTERNAL"));
      }
    }
  }
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_total"), 3 * kOrders * kAdapters);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_total", {{"order", "order19"}}), 3 * kAdapters);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_total", {{"order", "order20"}}), 0);
  EXPECT_EQ(SumOf(registry_, "scanserve_requests_total", {{"order", "other"}}),
            3 * (kOrders - 20) * kAdapters);
  EXPECT_EQ(SumOf(registry_, "scanserve_prompt_tokens_total", {{"adapter", "other"}}),
            3 * kOrders * (kAdapters - 20));
  size_t lines = 0;
  for (const prometheus::MetricFamily& family : registry_.Collect()) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      const size_t buckets = metric.histogram.bucket.size();
      lines += buckets == 0 ? 1 : buckets + 2;
    }
  }
  EXPECT_LT(lines, 1000u);
}

TEST(CappedLabelTest, KeepsTheFirstTwentyAndOurOwn) {
  CappedLabel label("identity");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(label.Value(absl::StrCat(i)), absl::StrCat(i));
  EXPECT_EQ(label.Value("new"), "other");
  EXPECT_EQ(label.Value("7"), "7");
  EXPECT_EQ(label.Value("identity"), "identity");
  EXPECT_EQ(label.Value(""), "");
}

}  // namespace
}  // namespace scanserve::server
