// What MonitoringService.ReadAuditLog does. Waits for the disk.
#pragma once

#include "absl/status/status.h"
#include "scanserve/v1/monitoring_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

absl::Status ReadAuditLog(Backend& backend, const v1::ReadAuditLogRequest& request,
                          v1::ReadAuditLogResponse* response);

}  // namespace scanserve::server
