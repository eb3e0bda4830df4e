#include "server/upload_call.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "core/store/order_record.h"
#include "server/call.h"
#include "server/field_checks.h"
#include "server/grpc_status.h"
#include "server/scan_order_handlers.h"

namespace scanserve::server {
namespace {

constexpr int64_t kMaxChunkBytes = 1 << 20;

// Reads parts until the client closes its side, then stores the file on the storing thread.
class UploadCall final : public grpc::ServerReadReactor<v1::UploadScanOrderRequest> {
 public:
  UploadCall(Backend& backend, grpc::CallbackServerContext* context,
             v1::UploadScanOrderResponse* response)
      : backend_(backend),
        call_(backend.lifecycle(), "UploadScanOrder", context,
              backend.options().max_request_duration),
        response_(response) {}

  void Begin() {
    const absl::Status admitted =
        call_.Admit([this](const absl::Status& status) { FinishUnlessStoring(status); });
    if (!admitted.ok()) return FinishUnlessStoring(admitted);
    const int32_t limit = backend_.limits().open_uploads;
    counted_ = true;
    if (backend_.open_uploads().fetch_add(1) >= limit) {
      return FinishUnlessStoring(WithRetryDelay(
          absl::ResourceExhaustedError(absl::StrCat(limit, " uploads are open, which is all")),
          absl::Seconds(1)));
    }
    ReadOn();
  }

 private:
  void ReadOn() {
    call_.set_expires(std::min(absl::Now() + backend_.limits().upload_idle, call_.deadline()));
    part_.Clear();
    StartRead(&part_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Store();
    const absl::Status taken = Take();
    if (!taken.ok()) return FinishUnlessStoring(taken);
    ReadOn();
  }

  void OnCancel() override { FinishUnlessStoring(absl::CancelledError("the client is gone")); }

  void OnDone() override {
    if (counted_) backend_.open_uploads().fetch_sub(1);
    delete this;
  }

  absl::Status Take() {
    if (part_.has_header()) {
      if (header_) return absl::InvalidArgumentError("the header came twice");
      SCANSERVE_RETURN_IF_ERROR(store::ValidateOrderName(part_.header().name()));
      header_ = part_.header();
      return absl::OkStatus();
    }
    if (!part_.has_npy_chunk()) {
      return absl::InvalidArgumentError("a message holds neither header nor npy_chunk");
    }
    if (!header_) return absl::InvalidArgumentError("the first message must be the header");
    SCANSERVE_RETURN_IF_ERROR(CheckAtMost(
        "npy_chunk", static_cast<int64_t>(part_.npy_chunk().size()), kMaxChunkBytes, "bytes"));
    npy_ += part_.npy_chunk();
    return CheckAtMost("npy_chunk", static_cast<int64_t>(npy_.size()),
                       order::ScanOrder::kMaxNpyBytes, "bytes of all chunks");
  }

  void Store() {
    if (!header_) {
      return FinishUnlessStoring(
          absl::InvalidArgumentError("the first message must be the header"));
    }
    {
      base::MutexLock lock(mutex_);
      if (over_) return;
      over_ = true;
    }
    const bool posted = backend_.storing().TryPost(
        [this] { Finish(call_.End(StoreScanOrder(backend_, *header_, npy_, response_))); });
    if (posted) return;
    Finish(call_.End(
        WithRetryDelay(absl::ResourceExhaustedError("too many changes are waiting for the disk"),
                       absl::Seconds(1))));
  }

  // A file that is being stored is stored, whatever the client does now.
  void FinishUnlessStoring(const absl::Status& status) {
    {
      base::MutexLock lock(mutex_);
      if (over_) return;
      over_ = true;
    }
    Finish(call_.End(status));
  }

  Backend& backend_;
  Call call_;
  v1::UploadScanOrderResponse* const response_;
  bool counted_ = false;
  v1::UploadScanOrderRequest part_;
  std::optional<v1::UploadScanOrderHeader> header_;
  std::string npy_;
  base::Mutex mutex_;
  // The call is finished, or will be by the storing thread.
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerReadReactor<v1::UploadScanOrderRequest>* StartUpload(
    Backend& backend, grpc::CallbackServerContext* context, v1::UploadScanOrderResponse* response) {
  auto* call = new UploadCall(backend, context, response);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
