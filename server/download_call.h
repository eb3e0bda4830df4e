// ScanOrderService.DownloadScanOrder.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/scan_order_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

// Begins the call; `request` stays until it is done, as gRPC promises.
grpc::ServerWriteReactor<v1::DownloadScanOrderResponse>* StartDownload(
    Backend& backend, grpc::CallbackServerContext* context,
    const v1::DownloadScanOrderRequest* request);

}  // namespace scanserve::server
