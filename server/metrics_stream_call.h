// StreamMetrics: snapshots of the metrics, one each interval.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/monitoring_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

// `open_streams` outlives it.
grpc::ServerWriteReactor<v1::StreamMetricsResponse>* StartStreamMetrics(
    Backend& backend, OpenLimit& open_streams, grpc::CallbackServerContext* context,
    const v1::StreamMetricsRequest& request);

}  // namespace scanserve::server
