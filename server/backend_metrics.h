// The engine, the prefix cache, the settings and the store as a scrape finds them.
#pragma once

#include <prometheus/collectable.h>

#include "server/backend.h"

namespace scanserve::server {

// Exactly one series tells the active scan setting, whatever is switched meanwhile. Thread-safe.
class BackendMetrics final : public prometheus::Collectable {
 public:
  // `backend` outlives it.
  explicit BackendMetrics(const Backend& backend) : backend_(backend) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Backend& backend_;
};

}  // namespace scanserve::server
