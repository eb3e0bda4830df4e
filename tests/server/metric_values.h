// Reads single values out of what a scrape shows.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/metric_registry.h"

namespace scanserve::server {

using LabelValues = std::map<std::string, std::string>;

inline std::vector<prometheus::ClientMetric> SeriesOf(const MetricRegistry& registry,
                                                      const std::string& family) {
  for (const prometheus::MetricFamily& each : registry.Collect()) {
    if (each.name == family) return each.metric;
  }
  return {};
}

// Sums the series that have all of `labels`; a histogram counts with its observations.
inline double SumOf(const MetricRegistry& registry, const std::string& family,
                    const LabelValues& labels = {}) {
  double sum = 0;
  for (const prometheus::ClientMetric& metric : SeriesOf(registry, family)) {
    LabelValues missing = labels;
    for (const auto& label : metric.label) {
      const auto found = missing.find(label.name);
      if (found != missing.end() && found->second == label.value) missing.erase(found);
    }
    if (!missing.empty()) continue;
    sum += metric.counter.value + metric.gauge.value +
           static_cast<double>(metric.histogram.sample_count);
  }
  return sum;
}

}  // namespace scanserve::server
