#include "server/upload_call.h"

#include <optional>
#include <string>

#include "core/base/status_macros.h"
#include "core/store/order_record.h"
#include "server/field_checks.h"
#include "server/scan_order_handlers.h"
#include "server/upload_reactor.h"

namespace scanserve::server {
namespace {

class ScanOrderUpload final : public UploadReactor<v1::UploadScanOrderRequest> {
 public:
  ScanOrderUpload(Backend& backend, grpc::CallbackServerContext* context,
                  v1::UploadScanOrderResponse* response)
      : UploadReactor(backend, "UploadScanOrder", context), response_(response) {}

 private:
  absl::Status Take(v1::UploadScanOrderRequest& part) override {
    if (part.has_header()) {
      if (header_) return absl::InvalidArgumentError("the header came twice");
      report().asked.name = part.header().name();
      SCANSERVE_RETURN_IF_ERROR(store::ValidateOrderName(part.header().name()));
      header_ = part.header();
      return absl::OkStatus();
    }
    if (!part.has_npy_chunk()) {
      return absl::InvalidArgumentError("a message holds neither header nor npy_chunk");
    }
    SCANSERVE_RETURN_IF_ERROR(CheckComplete());
    SCANSERVE_RETURN_IF_ERROR(CheckAtMost(
        "npy_chunk", static_cast<int64_t>(part.npy_chunk().size()), kMaxUploadChunkBytes, "bytes"));
    npy_ += part.npy_chunk();
    return CheckAtMost("npy_chunk", static_cast<int64_t>(npy_.size()),
                       order::ScanOrder::kMaxNpyBytes, "bytes of all chunks");
  }

  absl::Status CheckComplete() override {
    if (header_) return absl::OkStatus();
    return absl::InvalidArgumentError("the first message must be the header");
  }

  absl::Status Store() override {
    return StoreScanOrder(backend(), *header_, npy_, report(), response_);
  }

  v1::UploadScanOrderResponse* const response_;
  std::optional<v1::UploadScanOrderHeader> header_;
  std::string npy_;
};

}  // namespace

grpc::ServerReadReactor<v1::UploadScanOrderRequest>* StartUpload(
    Backend& backend, grpc::CallbackServerContext* context, v1::UploadScanOrderResponse* response) {
  auto* call = new ScanOrderUpload(backend, context, response);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
