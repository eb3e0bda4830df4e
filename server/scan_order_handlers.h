// What the RPCs of ScanOrderService with one request and one response do.
#pragma once

#include "absl/status/status.h"
#include "scanserve/v1/scan_order_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

absl::Status ListScanOrders(const Backend& backend, v1::ListScanOrdersResponse* response);
absl::Status GetScanOrder(const Backend& backend, const v1::GetScanOrderRequest& request,
                          v1::GetScanOrderResponse* response);
absl::Status GetActiveScan(const Backend& backend, const v1::GetActiveScanRequest& request,
                           v1::GetActiveScanResponse* response);

// Changes: they wait for the disk, one after the other on the thread for changes, and fill in
// `report`.
absl::Status DeleteScanOrder(Backend& backend, const v1::DeleteScanOrderRequest& request,
                             ChangeReport& report, v1::DeleteScanOrderResponse* response);
absl::Status SetActiveScan(Backend& backend, const v1::SetActiveScanRequest& request,
                           ChangeReport& report, v1::SetActiveScanResponse* response);
absl::Status CollectScanOrders(Backend& backend, const v1::CollectScanOrdersRequest& request,
                               ChangeReport& report, v1::CollectScanOrdersResponse* response);
absl::Status RollbackActiveScan(Backend& backend, const v1::RollbackActiveScanRequest& request,
                                ChangeReport& report, v1::RollbackActiveScanResponse* response);

// Stores an uploaded file. `header` has come, `npy` is complete.
absl::Status StoreScanOrder(Backend& backend, const v1::UploadScanOrderHeader& header,
                            const std::string& npy, ChangeReport& report,
                            v1::UploadScanOrderResponse* response);

}  // namespace scanserve::server
