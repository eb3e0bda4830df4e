// The pages of the HTTP port: /healthz, /readyz, /metrics, /version.
#pragma once

#include <vector>

#include "server/http_server.h"
#include "server/metric_registry.h"
#include "server/readiness.h"

namespace scanserve::server {

// Both outlive the pages.
std::vector<HttpPage> HttpPages(const Readiness& readiness, const MetricRegistry& registry);

}  // namespace scanserve::server
