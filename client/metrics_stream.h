// The metrics of a server as they change.
//
//   MetricsStream stream(connection, absl::Seconds(1));
//   for (auto snapshot = stream.Next(); snapshot.ok(); snapshot = stream.Next()) Show(*snapshot);
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/connection.h"
#include "client/metric_snapshot.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"

namespace scanserve::client {

// Belongs to one thread.
class MetricsStream {
 public:
  // The server accepts 100 ms to 1 h. `connection` outlives the stream.
  MetricsStream(Connection& connection, absl::Duration interval);
  // Ends the call.
  ~MetricsStream();
  MetricsStream(const MetricsStream&) = delete;
  MetricsStream& operator=(const MetricsStream&) = delete;

  // Waits for the next snapshot, the first of which comes at once. The error is why there is no
  // more, UNAVAILABLE when the server stops; DATA_LOSS for a snapshot that does not end.
  absl::StatusOr<MetricSnapshot> Next();

 private:
  Connection& connection_;
  v1::MonitoringService::Stub stub_;
  Call call_;
  std::unique_ptr<grpc::ClientReader<v1::StreamMetricsResponse>> reader_;
};

}  // namespace scanserve::client
