#include "server/perplexity_call.h"

#include <functional>
#include <optional>
#include <utility>

#include "core/base/mutex.h"
#include "server/call.h"
#include "server/perplexity_run.h"

namespace scanserve::server {
namespace {

using Request = v1::ComputePerplexityRequest;
using Response = v1::ComputePerplexityResponse;

// Every reaction takes the mutex, tells the run what happened, and goes on with what can be done.
class PerplexityCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  PerplexityCall(Backend& backend, grpc::CallbackServerContext* context)
      : call_(backend.lifecycle(), "ComputePerplexity", context,
              backend.options().max_request_duration),
        run_(backend, call_, [this](std::function<void()> step) { Step(step); }) {}

  void Begin() {
    const absl::Status admitted = call_.Admit(
        [this](const absl::Status& status) { Step([this, &status] { Run().Fail(status); }); });
    if (!admitted.ok()) return Finish(call_.End(admitted));
    StartRead(&request_);
  }

 private:
  void OnReadDone(bool ok) override {
    Step([this, ok] {
      reading_ = false;
      if (ok) {
        Run().Take(std::move(request_));
      } else {
        Run().EndRequests();
      }
    });
  }

  void OnWriteDone(bool ok) override {
    Step([this, ok] {
      writing_ = false;
      if (!ok) Run().Fail(absl::CancelledError("the client is gone"));
    });
  }

  void OnCancel() override {
    Step([this] { Run().Fail(absl::CancelledError("the client is gone")); });
  }

  void OnDone() override { delete this; }

  // Finishes without the mutex: the call may be gone as soon as it is finished.
  void Step(const std::function<void()>& step) {
    std::optional<absl::Status> end;
    {
      base::MutexLock lock(mutex_);
      step();
      end = Advance();
    }
    if (end) Finish(call_.End(*end));
  }

  // The status to finish with, once.
  std::optional<absl::Status> Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return std::nullopt;
    run_.Advance();
    if (!reading_ && run_.WantsRequest()) {
      reading_ = true;
      request_.Clear();
      StartRead(&request_);
    }
    if (!writing_) {
      if (std::optional<Response> message = run_.NextMessage()) {
        writing_ = true;
        message_ = *std::move(message);
        StartWrite(&message_);
      }
    }
    if (writing_) return std::nullopt;
    std::optional<absl::Status> end = run_.End();
    finished_ = end.has_value();
    return end;
  }

  // For steps, which hold the mutex though the compiler cannot see it.
  PerplexityRun& Run() ABSL_NO_THREAD_SAFETY_ANALYSIS { return run_; }

  Call call_;
  // gRPC's while a read or write is under way.
  Request request_;
  Response message_;
  base::Mutex mutex_;
  PerplexityRun run_ ABSL_GUARDED_BY(mutex_);
  bool reading_ = true;   // changed by steps and Advance alone
  bool writing_ = false;  // changed by steps and Advance alone
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<Request, Response>* StartPerplexity(Backend& backend,
                                                            grpc::CallbackServerContext* context) {
  auto* call = new PerplexityCall(backend, context);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
