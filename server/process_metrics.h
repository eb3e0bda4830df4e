// The process itself: memory, processor time and file descriptors, the program and its log.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "server/readiness.h"

namespace scanserve::server {

// Reads /proc/self; what cannot be read is left out. Thread-safe.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  // `readiness` outlives it.
  explicit ProcessMetrics(const Readiness& readiness) : readiness_(readiness) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Readiness& readiness_;
};

}  // namespace scanserve::server
