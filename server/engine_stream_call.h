// A call that submits one request to the engine and streams what comes of it.
//
// The life of one: a gRPC thread converts and submits; from then on exactly one thread at a time
// pumps, the delivery thread after the engine has pushed, a gRPC thread after a write is done. A
// client that does not read keeps a write from being done, so events stay in the stream and pause
// the sequence.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"
#include "core/runtime/request_stream.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/grpc_status.h"

namespace scanserve::server {

// Deletes itself after its last reaction.
template <typename Response>
class EngineStreamCall : public grpc::ServerWriteReactor<Response> {
 protected:
  using Stream = std::shared_ptr<runtime::RequestStream>;

  EngineStreamCall(Backend& backend, absl::string_view method, grpc::CallbackServerContext* context)
      : backend_(backend),
        call_(backend.lifecycle(), backend.access(), backend.metrics(), method, context,
              backend.options().max_request_duration) {}

  Backend& backend() { return backend_; }
  Call& call() { return call_; }

  absl::Status Admit() {
    return call_.Admit([this](const absl::Status& status) { Stop(status); });
  }

  // Streams the events of `stream`, or ends the call with its error. The last act of the thread
  // that calls it: the call may be gone afterwards.
  void Run(absl::StatusOr<Stream> stream) {
    if (!stream.ok()) return Fail(stream.status());
    {
      base::MutexLock lock(mutex_);
      stream_ = *std::move(stream);
      if (!stop_status_.ok()) stream_->Cancel();
    }
    Pump();
  }

  void Fail(absl::Status status) {
    if (status.code() == absl::StatusCode::kResourceExhausted) {
      status = WithRetryDelay(std::move(status), absl::Seconds(1));
    }
    this->Finish(call_.End(status));
  }

  // Makes the call end with `status` once all is sent, though the engine did its part.
  void FailAtEnd(absl::Status status) { failure_ = std::move(status); }

  // Takes over one event, Ended among them.
  virtual void Accept(runtime::Event event) = 0;
  // Fills the next message that follows from the events accepted so far; false when there is none.
  virtual bool NextMessage(Response* message) = 0;

 private:
  void Stop(const absl::Status& status) {
    base::MutexLock lock(mutex_);
    if (stop_status_.ok()) stop_status_ = status;
    if (stream_ != nullptr) stream_->Cancel();
  }

  void Pump() {
    for (;;) {
      if (!client_gone_) {
        message_.Clear();
        if (NextMessage(&message_)) return this->StartWrite(&message_);
      }
      if (ended_) return this->Finish(call_.End(EndStatus()));
      std::optional<runtime::Event> event = stream_->Next();
      if (!event) {
        return stream_->NotifyWhenReady([this] { backend_.Deliver([this] { Pump(); }); });
      }
      if (const auto* ended = std::get_if<runtime::Ended>(&*event)) ended_ = ended->status;
      Accept(*std::move(event));
    }
  }

  // Why we stopped it tells more than the engine's CANCELLED.
  absl::Status EndStatus() {
    if (!failure_.ok()) return failure_;
    base::MutexLock lock(mutex_);
    return absl::IsCancelled(*ended_) && !stop_status_.ok() ? stop_status_ : *ended_;
  }

  void OnCancel() override { Stop(absl::CancelledError("the client is gone")); }
  void OnWriteDone(bool ok) override {
    if (!ok) {
      client_gone_ = true;
      Stop(absl::CancelledError("the client is gone"));
    }
    Pump();
  }
  void OnDone() override {
    call_.ForgetEndEarly();
    delete this;
  }

  Backend& backend_;
  Call call_;
  base::Mutex mutex_;
  // Written once, under the mutex; the pump reads it without.
  Stream stream_;
  absl::Status stop_status_ ABSL_GUARDED_BY(mutex_);
  // The pump's alone.
  Response message_;
  bool client_gone_ = false;
  std::optional<absl::Status> ended_;
  absl::Status failure_;
};

}  // namespace scanserve::server
