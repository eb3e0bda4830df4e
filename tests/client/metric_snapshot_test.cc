#include "client/metric_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

v1::MetricHistogram Histogram(const std::vector<std::pair<double, int>>& cumulative) {
  v1::MetricHistogram histogram;
  for (const auto& [bound, count] : cumulative) {
    v1::MetricBucket& bucket = *histogram.add_buckets();
    bucket.set_upper_bound(bound);
    bucket.set_cumulative_count(static_cast<uint64_t>(count));
  }
  histogram.set_count(static_cast<uint64_t>(cumulative.back().second));
  return histogram;
}

HistogramCounts Counts(const std::vector<std::pair<double, int>>& cumulative) {
  HistogramCounts counts;
  counts.Add(Histogram(cumulative));
  return counts;
}

// Expected values are those of histogram_quantile in Prometheus 2.42.
TEST(HistogramCountsTest, EstimatesQuantilesAsPrometheusDoes) {
  const HistogramCounts counts = Counts({{0.1, 2}, {0.5, 6}, {1, 8}, {kInfinity, 10}});
  EXPECT_DOUBLE_EQ(*counts.Quantile(0.1), 0.05);
  EXPECT_DOUBLE_EQ(*counts.Quantile(0.2), 0.1);
  EXPECT_DOUBLE_EQ(*counts.Quantile(0.5), 0.4);
  EXPECT_DOUBLE_EQ(*counts.Quantile(0.75), 0.875);
  EXPECT_DOUBLE_EQ(*counts.Quantile(0.9), 1);
  EXPECT_DOUBLE_EQ(*counts.Quantile(1), 1);
}

TEST(HistogramCountsTest, HasNoQuantileOfNothing) {
  EXPECT_FALSE(HistogramCounts().Quantile(0.5).has_value());
  EXPECT_FALSE(Counts({{1, 0}, {kInfinity, 0}}).Quantile(0.5).has_value());
}

TEST(HistogramCountsTest, TakesOffWhatCameBefore) {
  const HistogramCounts before = Counts({{1, 4}, {2, 4}, {kInfinity, 4}});
  const HistogramCounts after = Counts({{1, 4}, {2, 8}, {kInfinity, 8}});
  EXPECT_EQ(after.Since(before).count(), 4);
  EXPECT_DOUBLE_EQ(*after.Since(before).Quantile(0.5), 1.5);
  EXPECT_EQ(after.Since(HistogramCounts()).count(), 8);
}

v1::StreamMetricsResponse Part(const std::string& family, const std::string& method, double value) {
  v1::StreamMetricsResponse part;
  part.mutable_time()->set_seconds(7);
  v1::MetricFamily& proto = *part.add_families();
  proto.set_name(family);
  v1::Metric& metric = *proto.add_metrics();
  (*metric.mutable_labels())["method"] = method;
  metric.set_value(value);
  return part;
}

TEST(MetricSnapshotTest, PutsFamiliesTogetherThatCameInParts) {
  MetricSnapshot snapshot;
  snapshot.Add(Part("calls", "Generate", 2));
  snapshot.Add(Part("calls", "Compare", 3));
  EXPECT_EQ(snapshot.time(), absl::FromUnixSeconds(7));
  EXPECT_EQ(snapshot.Sum("calls"), 5);
  EXPECT_EQ(snapshot.Sum("calls", {{"method", "Compare"}}), 3);
  EXPECT_EQ(snapshot.Sum("calls", {{"arm", "b"}}), 0);
  EXPECT_EQ(snapshot.Sum("others"), 0);
  EXPECT_THAT(snapshot.LabelValues("calls", "method"), ElementsAre("Compare", "Generate"));
  EXPECT_THAT(snapshot.LabelValues("calls", "arm"), IsEmpty());
  EXPECT_EQ(snapshot.Label("calls", "method"), "");
}

}  // namespace
}  // namespace scanserve::client
