// ScanOrderService.CheckScanSetting.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/scan_order_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

// Begins the call; `request` and `response` stay until it is done, as gRPC promises.
grpc::ServerUnaryReactor* StartScanCheck(Backend& backend, grpc::CallbackServerContext* context,
                                         const v1::CheckScanSettingRequest* request,
                                         v1::CheckScanSettingResponse* response);

}  // namespace scanserve::server
