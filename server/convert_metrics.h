// What a scrape shows, as messages.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scanserve/v1/monitoring_service.pb.h"

namespace scanserve::server {

// A snapshot in parts of at most `max_bytes` each, as long as no single series is larger.
std::vector<v1::StreamMetricsResponse> SnapshotToProto(
    const std::vector<prometheus::MetricFamily>& families, absl::Time time, int64_t max_bytes);

// Time between two snapshots. INVALID_ARGUMENT unless it is 100 ms to 1 h.
absl::StatusOr<absl::Duration> SnapshotInterval(const v1::StreamMetricsRequest& request);

}  // namespace scanserve::server
