#include "client/metric_snapshot.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace scanserve::client {
namespace {

bool HasLabels(const v1::Metric& metric, const MetricSnapshot::Labels& labels) {
  return std::ranges::all_of(labels, [&metric](const auto& label) {
    const auto found = metric.labels().find(label.first);
    return found != metric.labels().end() && found->second == label.second;
  });
}

}  // namespace

void HistogramCounts::Add(const v1::MetricHistogram& histogram) {
  count_ += static_cast<double>(histogram.count());
  sum_ += histogram.sum();
  for (const v1::MetricBucket& bucket : histogram.buckets()) {
    cumulative_[bucket.upper_bound()] += static_cast<double>(bucket.cumulative_count());
  }
}

HistogramCounts HistogramCounts::Since(const HistogramCounts& earlier) const {
  HistogramCounts since = *this;
  since.count_ -= earlier.count_;
  since.sum_ -= earlier.sum_;
  for (const auto& [bound, count] : earlier.cumulative_) since.cumulative_[bound] -= count;
  return since;
}

std::optional<double> HistogramCounts::Quantile(double q) const {
  if (cumulative_.empty() || cumulative_.rbegin()->second <= 0) return std::nullopt;
  const double rank = q * cumulative_.rbegin()->second;
  double below_bound = 0;
  double below = 0;
  for (const auto& [bound, count] : cumulative_) {
    if (count >= rank) {
      if (std::isinf(bound)) break;
      if (count == below) return bound;
      return below_bound + (bound - below_bound) * (rank - below) / (count - below);
    }
    below_bound = bound;
    below = count;
  }
  return below_bound;
}

void MetricSnapshot::Add(const v1::StreamMetricsResponse& part) {
  time_ = absl::FromUnixSeconds(part.time().seconds()) + absl::Nanoseconds(part.time().nanos());
  for (const v1::MetricFamily& family : part.families()) {
    std::vector<v1::Metric>& metrics = families_[family.name()];
    metrics.insert(metrics.end(), family.metrics().begin(), family.metrics().end());
  }
}

const std::vector<v1::Metric>& MetricSnapshot::Family(absl::string_view name) const {
  static const std::vector<v1::Metric>& none = *new std::vector<v1::Metric>();
  const auto found = families_.find(name);
  return found == families_.end() ? none : found->second;
}

double MetricSnapshot::Sum(absl::string_view name, const Labels& labels) const {
  double sum = 0;
  for (const v1::Metric& metric : Family(name)) {
    if (HasLabels(metric, labels)) sum += metric.value();
  }
  return sum;
}

HistogramCounts MetricSnapshot::Histogram(absl::string_view name, const Labels& labels) const {
  HistogramCounts counts;
  for (const v1::Metric& metric : Family(name)) {
    if (HasLabels(metric, labels)) counts.Add(metric.histogram());
  }
  return counts;
}

std::vector<std::string> MetricSnapshot::LabelValues(absl::string_view name,
                                                     const std::string& label) const {
  std::set<std::string> values;
  for (const v1::Metric& metric : Family(name)) {
    const auto found = metric.labels().find(label);
    if (found != metric.labels().end()) values.insert(found->second);
  }
  return {values.begin(), values.end()};
}

std::string MetricSnapshot::Label(absl::string_view name, const std::string& label) const {
  const std::vector<std::string> values = LabelValues(name, label);
  return values.size() == 1 ? values.front() : "";
}

}  // namespace scanserve::client
