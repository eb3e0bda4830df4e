#include "server/download_call.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/call.h"
#include "server/convert_scan.h"
#include "server/grpc_status.h"

namespace scanserve::server {
namespace {

// With the other fields, a message stays below its limit.
constexpr size_t kChunkBytes = kMaxServerMessageBytes - 64;

// Reads the file on the storing thread, then writes it piece by piece at the client's pace.
class DownloadCall final : public grpc::ServerWriteReactor<v1::DownloadScanOrderResponse> {
 public:
  DownloadCall(Backend& backend, grpc::CallbackServerContext* context,
               const v1::DownloadScanOrderRequest& request)
      : backend_(backend),
        request_(request),
        call_(backend.lifecycle(), backend.access(), backend.metrics(), "DownloadScanOrder",
              context, backend.options().max_request_duration) {}

  void Begin() {
    const absl::Status admitted = call_.Admit(nullptr);
    if (!admitted.ok()) return Finish(call_.End(admitted));
    place_ = backend_.open_downloads().Enter();
    if (!place_.ok()) return Finish(call_.End(place_.status()));
    if (backend_.storing().TryPost([this] { ReadFile(); })) return;
    Finish(call_.End(
        WithRetryDelay(absl::ResourceExhaustedError("too many calls are waiting for the disk"),
                       absl::Seconds(1))));
  }

 private:
  void ReadFile() {
    const absl::Status read = Read();
    if (!read.ok()) return Finish(call_.End(read));
    Write();
  }

  absl::Status Read() {
    SCANSERVE_ASSIGN_OR_RETURN(const store::OrderRecord record,
                               backend_.store().Get(OrderRefFromProto(request_.order())));
    *message_.mutable_order() = OrderToProto(record);
    if (record.is_identity()) {
      return absl::InvalidArgumentError("order: identity has no file");
    }
    SCANSERVE_ASSIGN_OR_RETURN(
        npy_, backend_.store().ReadNpy({record.name, record.version, record.digest}));
    return absl::OkStatus();
  }

  // A client that has not read for the stall limit is cut off: there are few places.
  void Write() {
    call_.set_expires(
        std::min(absl::Now() + backend_.options().engine.stall_limit, call_.deadline()));
    StartWrite(&message_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(call_.End(absl::CancelledError("the client is gone")));
    if (sent_ == npy_.size()) return Finish(call_.End(absl::OkStatus()));
    const size_t bytes = std::min(kChunkBytes, npy_.size() - sent_);
    message_.set_npy_chunk(npy_.substr(sent_, bytes));
    sent_ += bytes;
    Write();
  }

  void OnDone() override { delete this; }

  Backend& backend_;
  const v1::DownloadScanOrderRequest& request_;
  Call call_;
  absl::StatusOr<OpenLimit::Place> place_;
  v1::DownloadScanOrderResponse message_;
  std::string npy_;
  size_t sent_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::DownloadScanOrderResponse>* StartDownload(
    Backend& backend, grpc::CallbackServerContext* context,
    const v1::DownloadScanOrderRequest* request) {
  auto* call = new DownloadCall(backend, context, *request);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
