// A bidirectional call to which a client sends documents: reads, writes and the end around a run.
//
// A run (PerplexityRun, CompareRun) turns requests into messages and knows nothing of gRPC. It has
// Take, EndRequests, Fail, Advance, WantsRequest, NextMessage and End, as described there.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"
#include "server/backend.h"
#include "server/call.h"

namespace scanserve::server {

// Every reaction takes the mutex, tells the run what happened, and goes on with what can be done.
// Deletes itself after its last reaction.
template <typename Run, typename Request, typename Response>
class DocumentCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  // `method` outlives the call.
  static DocumentCall* Start(Backend& backend, absl::string_view method,
                             grpc::CallbackServerContext* context) {
    auto* call = new DocumentCall(backend, method, context);
    call->Begin();
    return call;
  }

 private:
  DocumentCall(Backend& backend, absl::string_view method, grpc::CallbackServerContext* context)
      : backend_(backend),
        call_(backend.lifecycle(), backend.access(), backend.metrics(), method, context,
              backend.options().max_request_duration),
        run_(backend, call_, [this](std::function<void()> step) { Step(step); }) {}

  void Begin() {
    const absl::Status admitted = call_.Admit([this](const absl::Status& status) {
      Step([this, &status] { LockedRun().Fail(status); });
    });
    if (!admitted.ok()) return Refuse(admitted);
    place_ = backend_.open_scorings().Enter();
    if (!place_.ok()) return Refuse(place_.status());
    this->StartRead(&request_);
  }

  // A client that leaves meanwhile ends nothing once more: gRPC aborts at a second Finish.
  void Refuse(const absl::Status& status) {
    {
      base::MutexLock lock(mutex_);
      if (std::exchange(finished_, true)) return;
    }
    this->Finish(call_.End(status));
  }

  void OnReadDone(bool ok) override {
    Step([this, ok] {
      reading_ = false;
      if (ok) {
        LockedRun().Take(std::move(request_));
      } else {
        LockedRun().EndRequests();
      }
    });
  }

  void OnWriteDone(bool ok) override {
    Step([this, ok] {
      writing_ = false;
      if (!ok) LockedRun().Fail(absl::CancelledError("the client is gone"));
    });
  }

  void OnCancel() override {
    Step([this] { LockedRun().Fail(absl::CancelledError("the client is gone")); });
  }

  void OnDone() override {
    call_.ForgetEndEarly();
    delete this;
  }

  // Finishes without the mutex: the call may be gone as soon as it is finished.
  void Step(const std::function<void()>& step) {
    std::optional<absl::Status> end;
    {
      base::MutexLock lock(mutex_);
      // What the run and the call say is not read any more.
      if (finished_) return;
      step();
      end = Advance();
    }
    if (end) this->Finish(call_.End(*end));
  }

  // The status to finish with, once.
  std::optional<absl::Status> Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    run_.Advance();
    if (!reading_ && run_.WantsRequest()) {
      reading_ = true;
      request_.Clear();
      this->StartRead(&request_);
    }
    if (!writing_) {
      if (std::optional<Response> message = run_.NextMessage()) {
        writing_ = true;
        message_ = *std::move(message);
        this->StartWrite(&message_);
      }
    }
    if (writing_) return std::nullopt;
    std::optional<absl::Status> end = run_.End();
    finished_ = end.has_value();
    return end;
  }

  // For steps, which hold the mutex though the compiler cannot see it.
  Run& LockedRun() ABSL_NO_THREAD_SAFETY_ANALYSIS { return run_; }

  Backend& backend_;
  Call call_;
  absl::StatusOr<OpenLimit::Place> place_;
  // gRPC's while a read or write is under way.
  Request request_;
  Response message_;
  base::Mutex mutex_;
  Run run_ ABSL_GUARDED_BY(mutex_);
  bool reading_ = true;   // changed by steps and Advance alone
  bool writing_ = false;  // changed by steps and Advance alone
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace scanserve::server
