#include "client/scan_order_upload.h"

#include <algorithm>
#include <string>

#include "scanserve/v1/scan_order_service.grpc.pb.h"

namespace scanserve::client {

absl::StatusOr<v1::UploadScanOrderResponse> UploadScanOrder(
    Connection& connection, const v1::UploadScanOrderHeader& header, absl::string_view npy,
    const std::function<void(int64_t)>& on_sent) {
  constexpr size_t kChunkBytes = 256 << 10;
  v1::ScanOrderService::Stub stub(connection.channel());
  Call call(connection);
  v1::UploadScanOrderResponse response;
  const auto writer = stub.UploadScanOrder(call.context(), &response);
  v1::UploadScanOrderRequest request;
  *request.mutable_header() = header;
  bool open = writer->Write(request);
  for (size_t sent = 0; open && sent < npy.size(); sent += kChunkBytes) {
    request.set_npy_chunk(std::string(npy.substr(sent, kChunkBytes)));
    open = writer->Write(request);
    on_sent(static_cast<int64_t>(std::min(npy.size(), sent + kChunkBytes)));
  }
  // A write fails when the server has already decided; Finish says how.
  if (open) writer->WritesDone();
  SCANSERVE_RETURN_IF_ERROR(connection.FromGrpc(writer->Finish()));
  return response;
}

}  // namespace scanserve::client
