#include "server/scan_check_call.h"

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "server/call.h"
#include "server/grpc_status.h"
#include "server/scan_check.h"

namespace scanserve::server {
namespace {

// Has one prompt in the engine at a time. From Begin on exactly one thread at a time pumps: gRPC's
// first, then the delivery thread after the engine has pushed. Deletes itself.
class ScanCheckCall final : public grpc::ServerUnaryReactor {
 public:
  ScanCheckCall(Backend& backend, grpc::CallbackServerContext* context,
                const v1::CheckScanSettingRequest& request, v1::CheckScanSettingResponse& response)
      : backend_(backend),
        call_(backend.lifecycle(), backend.access(), backend.metrics(), "CheckScanSetting", context,
              backend.options().max_request_duration),
        request_(request),
        response_(response) {}

  void Begin() {
    call_.TakeId(request_.request_id());
    const absl::Status begun = Convert();
    if (!begun.ok()) return Finish(call_.End(begun));
    Pump();
  }

 private:
  absl::Status Convert() {
    SCANSERVE_RETURN_IF_ERROR(call_.Admit([this](const absl::Status& status) { Stop(status); }));
    SCANSERVE_ASSIGN_OR_RETURN(check_, ScanCheck::Create(backend_, request_));
    return absl::OkStatus();
  }

  void Pump() {
    for (;;) {
      if (stream_ == nullptr) {
        const absl::StatusOr<bool> submitted = SubmitNext();
        if (!submitted.ok()) return Finish(call_.End(submitted.status()));
        if (!*submitted) return Succeed();
      }
      std::optional<runtime::Event> event = stream_->Next();
      if (!event) {
        return stream_->NotifyWhenReady([this] { backend_.Deliver([this] { Pump(); }); });
      }
      if (const auto* rows = std::get_if<runtime::HiddenStates>(&*event)) check_->TakeRows(*rows);
      if (const auto* ended = std::get_if<runtime::Ended>(&*event)) {
        if (!ended->status.ok()) return Finish(call_.End(EndStatus(ended->status)));
        base::MutexLock lock(mutex_);
        stream_ = nullptr;
      }
    }
  }

  // False when there is nothing left to compute.
  absl::StatusOr<bool> SubmitNext() {
    std::optional<runtime::ExtractRequest> prompt = check_->NextPrompt(call_);
    if (!prompt) return false;
    call_.CountPromptTokens(static_cast<int64_t>(prompt->tokens.size()));
    auto stream = backend_.engine().Extract(*std::move(prompt));
    if (absl::IsResourceExhausted(stream.status())) {
      return WithRetryDelay(stream.status(), absl::Seconds(1));
    }
    if (!stream.ok()) return stream.status();
    base::MutexLock lock(mutex_);
    stream_ = *std::move(stream);
    if (!stop_status_.ok()) stream_->Cancel();
    return true;
  }

  void Succeed() {
    response_.set_request_id(call_.id());
    check_->Fill(backend_, &response_);
    Finish(call_.End(absl::OkStatus()));
  }

  void Stop(const absl::Status& status) {
    base::MutexLock lock(mutex_);
    if (stop_status_.ok()) stop_status_ = status;
    if (stream_ != nullptr) stream_->Cancel();
  }

  // Why we stopped it tells more than the engine's CANCELLED.
  absl::Status EndStatus(const absl::Status& ended) {
    base::MutexLock lock(mutex_);
    return absl::IsCancelled(ended) && !stop_status_.ok() ? stop_status_ : ended;
  }

  void OnCancel() override { Stop(absl::CancelledError("the client is gone")); }
  void OnDone() override {
    call_.ForgetEndEarly();
    delete this;
  }

  Backend& backend_;
  Call call_;
  const v1::CheckScanSettingRequest& request_;
  v1::CheckScanSettingResponse& response_;
  std::unique_ptr<ScanCheck> check_;
  base::Mutex mutex_;
  // Written under the mutex, by the pump alone, which reads it without.
  std::shared_ptr<runtime::RequestStream> stream_;
  absl::Status stop_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

grpc::ServerUnaryReactor* StartScanCheck(Backend& backend, grpc::CallbackServerContext* context,
                                         const v1::CheckScanSettingRequest* request,
                                         v1::CheckScanSettingResponse* response) {
  auto* call = new ScanCheckCall(backend, context, *request, *response);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
