// The one place where our statuses become gRPC's.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace grpc {
class Status;
}

namespace scanserve::server {

// `status`, saying to clients when to try again, unless it says so already (base/retry_delay.h). It
// reaches them as google.rpc.RetryInfo in grpc-status-details-bin.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// `status` with `prefix` before its message; a delay stays.
absl::Status WithPrefix(const absl::Status& status, absl::string_view prefix);

// Codes stay what they are, but for faults of our own (INTERNAL, UNKNOWN, DATA_LOSS): those become
// INTERNAL with a short text that names `request_id`, under which the log has the full one.
// Messages are cut at 1 KiB, at a character.
grpc::Status ToGrpcStatus(const absl::Status& status, const std::string& request_id);

// Whether the client is told less than the log.
bool IsOurFault(const absl::Status& status);

}  // namespace scanserve::server
