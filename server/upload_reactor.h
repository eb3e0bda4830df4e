// What uploads have in common: their limits, and how they end.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "core/base/mutex.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/grpc_status.h"

namespace scanserve::server {

// Of the bytes in one message.
inline constexpr int64_t kMaxUploadChunkBytes = 1 << 20;

// Reads parts until the client closes its side, then stores what came on the storing thread;
// deletes itself. All kinds of upload together are as many as RequestLimits::open_uploads.
template <typename Request>
class UploadReactor : public grpc::ServerReadReactor<Request> {
 public:
  void Begin() {
    const absl::Status admitted =
        call_.Admit([this](const absl::Status& status) { FinishUnlessStoring(status); });
    if (!admitted.ok()) return FinishUnlessStoring(admitted);
    place_ = backend_.open_uploads().Enter();
    if (!place_.ok()) return FinishUnlessStoring(place_.status());
    ReadOn();
  }

 protected:
  // `method` outlives the call.
  UploadReactor(Backend& backend, absl::string_view method, grpc::CallbackServerContext* context)
      : backend_(backend),
        call_(backend.lifecycle(), backend.access(), backend.metrics(), method, context,
              backend.options().max_request_duration) {
    call_.Audit(backend.audit(), "");
  }

  Backend& backend() { return backend_; }
  // What is told of the upload.
  ChangeReport& report() { return call_.report(); }

  // Takes the next message. An error ends the call.
  virtual absl::Status Take(Request& part) = 0;
  // Whether enough came to be stored.
  virtual absl::Status CheckComplete() = 0;
  // On the storing thread. Writes the response.
  virtual absl::Status Store() = 0;

 private:
  void ReadOn() {
    call_.set_expires(std::min(absl::Now() + backend_.limits().upload_idle, call_.deadline()));
    part_.Clear();
    this->StartRead(&part_);
  }

  void OnReadDone(bool ok) final {
    if (!ok) return PostStore();
    const absl::Status taken = Take(part_);
    if (!taken.ok()) return FinishUnlessStoring(taken);
    ReadOn();
  }

  void OnCancel() final { FinishUnlessStoring(absl::CancelledError("the client is gone")); }

  void OnDone() final {
    call_.ForgetEndEarly();
    delete this;
  }

  void PostStore() {
    const absl::Status complete = CheckComplete();
    if (!complete.ok()) return FinishUnlessStoring(complete);
    {
      base::MutexLock lock(mutex_);
      if (over_) return;
      over_ = true;
    }
    if (backend_.storing().TryPost([this] { this->Finish(call_.End(Store())); })) return;
    this->Finish(call_.End(
        WithRetryDelay(absl::ResourceExhaustedError("too many changes are waiting for the disk"),
                       absl::Seconds(1))));
  }

  // What is being stored is stored, whatever the client does now.
  void FinishUnlessStoring(const absl::Status& status) {
    {
      base::MutexLock lock(mutex_);
      if (over_) return;
      over_ = true;
    }
    this->Finish(call_.End(status));
  }

  Backend& backend_;
  Call call_;
  absl::StatusOr<OpenLimit::Place> place_;
  Request part_;
  base::Mutex mutex_;
  // The call is finished, or will be by the storing thread.
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace scanserve::server
