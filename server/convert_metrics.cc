#include "server/convert_metrics.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert_time.h"

namespace scanserve::server {
namespace {

constexpr absl::Duration kMinInterval = absl::Milliseconds(100);
constexpr absl::Duration kMaxInterval = absl::Hours(1);
constexpr absl::Duration kDefaultInterval = absl::Seconds(1);
// Of what holds a series or a family in its message, at most.
constexpr int64_t kHeaderBytes = 16;

v1::MetricType TypeToProto(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return v1::METRIC_TYPE_COUNTER;
    case prometheus::MetricType::Histogram:
      return v1::METRIC_TYPE_HISTOGRAM;
    case prometheus::MetricType::Gauge:
    case prometheus::MetricType::Summary:
    case prometheus::MetricType::Untyped:
      break;
  }
  return v1::METRIC_TYPE_GAUGE;
}

v1::MetricHistogram HistogramToProto(const prometheus::ClientMetric::Histogram& histogram) {
  v1::MetricHistogram proto;
  proto.set_count(histogram.sample_count);
  proto.set_sum(histogram.sample_sum);
  for (const auto& bucket : histogram.bucket) {
    v1::MetricBucket& bucket_proto = *proto.add_buckets();
    bucket_proto.set_upper_bound(bucket.upper_bound);
    bucket_proto.set_cumulative_count(bucket.cumulative_count);
  }
  return proto;
}

v1::Metric MetricToProto(prometheus::MetricType type, const prometheus::ClientMetric& metric) {
  v1::Metric proto;
  for (const auto& label : metric.label) (*proto.mutable_labels())[label.name] = label.value;
  if (type == prometheus::MetricType::Histogram) {
    *proto.mutable_histogram() = HistogramToProto(metric.histogram);
  } else {
    proto.set_value(type == prometheus::MetricType::Counter ? metric.counter.value
                                                            : metric.gauge.value);
  }
  return proto;
}

// Fills one part after the other.
class PartWriter {
 public:
  PartWriter(absl::Time time, int64_t max_bytes) : time_(time), max_bytes_(max_bytes) { NewPart(); }

  void BeginFamily(const prometheus::MetricFamily& family) {
    family_ = &family;
    AddFamily();
  }

  void Add(const prometheus::ClientMetric& metric) {
    v1::Metric proto = MetricToProto(family_->type, metric);
    const int64_t bytes = static_cast<int64_t>(proto.ByteSizeLong()) + kHeaderBytes;
    if (bytes_ + bytes > max_bytes_) {
      NewPart();
      AddFamily();
    }
    bytes_ += bytes;
    *parts_.back().mutable_families()->rbegin()->add_metrics() = std::move(proto);
  }

  std::vector<v1::StreamMetricsResponse> Finish() {
    parts_.back().set_complete(true);
    return std::move(parts_);
  }

 private:
  void NewPart() {
    *parts_.emplace_back().mutable_time() = TimestampToProto(time_);
    bytes_ = 2 * kHeaderBytes;
  }

  void AddFamily() {
    v1::MetricFamily& proto = *parts_.back().add_families();
    proto.set_name(family_->name);
    proto.set_help(family_->help);
    proto.set_type(TypeToProto(family_->type));
    bytes_ += static_cast<int64_t>(proto.ByteSizeLong()) + kHeaderBytes;
  }

  const absl::Time time_;
  const int64_t max_bytes_;
  std::vector<v1::StreamMetricsResponse> parts_;
  int64_t bytes_ = 0;
  const prometheus::MetricFamily* family_ = nullptr;
};

}  // namespace

std::vector<v1::StreamMetricsResponse> SnapshotToProto(
    const std::vector<prometheus::MetricFamily>& families, absl::Time time, int64_t max_bytes) {
  PartWriter writer(time, max_bytes);
  for (const prometheus::MetricFamily& family : families) {
    writer.BeginFamily(family);
    for (const prometheus::ClientMetric& metric : family.metric) writer.Add(metric);
  }
  return writer.Finish();
}

absl::StatusOr<absl::Duration> SnapshotInterval(const v1::StreamMetricsRequest& request) {
  if (!request.has_interval()) return kDefaultInterval;
  const absl::Duration interval = DurationFromProto(request.interval());
  if (interval >= kMinInterval && interval <= kMaxInterval) return interval;
  return absl::InvalidArgumentError(absl::StrCat("interval: ", absl::FormatDuration(interval),
                                                 ", expected ", absl::FormatDuration(kMinInterval),
                                                 " to ", absl::FormatDuration(kMaxInterval)));
}

}  // namespace scanserve::server
