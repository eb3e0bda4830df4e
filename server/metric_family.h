// Families whose values are read at the moment of a scrape.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace scanserve::server {

// Name and value; a label with an empty value is left out.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

prometheus::MetricFamily MakeFamily(prometheus::MetricType type, std::string name,
                                    std::string help);
// Adds a series to a family of counters or gauges.
void AddValue(prometheus::MetricFamily& family, const MetricLabels& labels, double value);
// A family of one series.
prometheus::MetricFamily GaugeOf(std::string name, std::string help, const MetricLabels& labels,
                                 double value);
prometheus::MetricFamily CounterOf(std::string name, std::string help, const MetricLabels& labels,
                                   double value);

}  // namespace scanserve::server
