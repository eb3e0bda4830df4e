// ScanOrderService.UploadScanOrder.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/scan_order_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

grpc::ServerReadReactor<v1::UploadScanOrderRequest>* StartUpload(
    Backend& backend, grpc::CallbackServerContext* context, v1::UploadScanOrderResponse* response);

}  // namespace scanserve::server
