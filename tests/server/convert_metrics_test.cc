#include "server/convert_metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/convert_time.h"
#include "server/metric_family.h"

namespace scanserve::server {
namespace {

std::vector<prometheus::MetricFamily> ManySeries() {
  std::vector<prometheus::MetricFamily> families;
  for (int family = 0; family < 3; ++family) {
    families.push_back(
        MakeFamily(prometheus::MetricType::Counter, absl::StrCat("family", family), "Of a test."));
    for (int i = 0; i < 100; ++i) {
      AddValue(families.back(), {{"series", absl::StrCat(i)}}, family * 1000 + i);
    }
  }
  return families;
}

TEST(SnapshotToProtoTest, IsOnePartWhenItFits) {
  const auto parts = SnapshotToProto(ManySeries(), absl::FromUnixSeconds(7), 1 << 20);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_TRUE(parts[0].complete());
  EXPECT_EQ(parts[0].time().seconds(), 7);
  EXPECT_EQ(parts[0].families_size(), 3);
  EXPECT_EQ(parts[0].families(1).help(), "Of a test.");
  EXPECT_EQ(parts[0].families(1).type(), v1::METRIC_TYPE_COUNTER);
}

TEST(SnapshotToProtoTest, SplitsWhatDoesNotFitAndLosesNothing) {
  constexpr int64_t kMaxBytes = 700;
  const auto parts = SnapshotToProto(ManySeries(), absl::FromUnixSeconds(7), kMaxBytes);
  EXPECT_GT(parts.size(), 3u);
  std::map<std::string, int> series;
  for (const auto& part : parts) {
    EXPECT_LE(part.ByteSizeLong(), static_cast<size_t>(kMaxBytes));
    EXPECT_EQ(part.complete(), &part == &parts.back());
    EXPECT_EQ(part.time().seconds(), 7);
    for (const auto& family : part.families()) series[family.name()] += family.metrics_size();
  }
  EXPECT_EQ(series,
            (std::map<std::string, int>{{"family0", 100}, {"family1", 100}, {"family2", 100}}));
}

TEST(SnapshotToProtoTest, KeepsHistograms) {
  auto family = MakeFamily(prometheus::MetricType::Histogram, "seconds", "Of a test.");
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.histogram = {3, 4.5, {{1, 0.5}, {3, 2}}};
  const auto parts = SnapshotToProto({family}, absl::Now(), 1 << 20);
  const v1::MetricHistogram& histogram = parts[0].families(0).metrics(0).histogram();
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.sum(), 4.5);
  ASSERT_EQ(histogram.buckets_size(), 2);
  EXPECT_EQ(histogram.buckets(0).upper_bound(), 0.5);
  EXPECT_EQ(histogram.buckets(0).cumulative_count(), 1u);
}

TEST(SnapshotIntervalTest, IsASecondUnlessAskedForWithinLimits) {
  v1::StreamMetricsRequest request;
  EXPECT_EQ(*SnapshotInterval(request), absl::Seconds(1));
  for (const absl::Duration good : {absl::Milliseconds(100), absl::Hours(1)}) {
    *request.mutable_interval() = DurationToProto(good);
    EXPECT_EQ(*SnapshotInterval(request), good);
  }
  for (const absl::Duration bad : {absl::ZeroDuration(), absl::Milliseconds(99),
                                   absl::Hours(1) + absl::Nanoseconds(1), absl::Seconds(-1)}) {
    *request.mutable_interval() = DurationToProto(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(SnapshotInterval(request).status())) << bad;
  }
  request.mutable_interval()->set_seconds(INT64_MAX);
  request.mutable_interval()->set_nanos(INT32_MAX);
  EXPECT_TRUE(absl::IsInvalidArgument(SnapshotInterval(request).status()));
}

}  // namespace
}  // namespace scanserve::server
