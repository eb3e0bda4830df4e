#include "server/metric_family.h"

namespace scanserve::server {

prometheus::MetricFamily MakeFamily(prometheus::MetricType type, std::string name,
                                    std::string help) {
  prometheus::MetricFamily family;
  family.type = type;
  family.name = std::move(name);
  family.help = std::move(help);
  return family;
}

void AddValue(prometheus::MetricFamily& family, const MetricLabels& labels, double value) {
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [name, label] : labels) {
    if (!label.empty()) metric.label.push_back({name, label});
  }
  if (family.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

prometheus::MetricFamily GaugeOf(std::string name, std::string help, const MetricLabels& labels,
                                 double value) {
  auto family = MakeFamily(prometheus::MetricType::Gauge, std::move(name), std::move(help));
  AddValue(family, labels, value);
  return family;
}

prometheus::MetricFamily CounterOf(std::string name, std::string help, const MetricLabels& labels,
                                   double value) {
  auto family = MakeFamily(prometheus::MetricType::Counter, std::move(name), std::move(help));
  AddValue(family, labels, value);
  return family;
}

}  // namespace scanserve::server
