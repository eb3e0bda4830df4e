// One snapshot of a server's metrics, and what can be computed from two of them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "scanserve/v1/monitoring_service.pb.h"

namespace scanserve::client {

// Observations by the upper bound of their bucket, each bucket with those below it.
class HistogramCounts {
 public:
  void Add(const v1::MetricHistogram& histogram);
  // What came after `earlier`.
  HistogramCounts Since(const HistogramCounts& earlier) const;

  double count() const { return count_; }
  double sum() const { return sum_; }
  // As Prometheus' histogram_quantile: interpolated within the bucket; the last finite bound for
  // what lies above it. Nothing without observations. 0 <= q <= 1.
  std::optional<double> Quantile(double q) const;

 private:
  std::map<double, double> cumulative_;
  double count_ = 0;
  double sum_ = 0;
};

class MetricSnapshot {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  void Add(const v1::StreamMetricsResponse& part);

  absl::Time time() const { return time_; }

  // The following look at the series of family `name` that have all of `labels`.
  // The sum of counters or gauges; 0 without any.
  double Sum(absl::string_view name, const Labels& labels = {}) const;
  HistogramCounts Histogram(absl::string_view name, const Labels& labels = {}) const;
  // The values that a label has in the family, sorted.
  std::vector<std::string> LabelValues(absl::string_view name, const std::string& label) const;
  // A label of the family's only series; empty when there is none.
  std::string Label(absl::string_view name, const std::string& label) const;

 private:
  const std::vector<v1::Metric>& Family(absl::string_view name) const;

  absl::Time time_;
  std::map<std::string, std::vector<v1::Metric>, std::less<>> families_;
};

}  // namespace scanserve::client
