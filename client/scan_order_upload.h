// Uploads the .npy of a scan order.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/connection.h"
#include "scanserve/v1/scan_order_service.pb.h"

namespace scanserve::client {

// `on_sent` is told the bytes sent so far.
absl::StatusOr<v1::UploadScanOrderResponse> UploadScanOrder(
    Connection& connection, const v1::UploadScanOrderHeader& header, absl::string_view npy,
    const std::function<void(int64_t)>& on_sent);

}  // namespace scanserve::client
