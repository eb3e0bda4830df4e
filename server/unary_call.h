// The reactor of every RPC with one request and one response.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/task_thread.h"

namespace scanserve::server {

// Runs `work` once and finishes with its status; deletes itself. The work runs on the calling
// thread, or on `thread` when there is one, for what takes long or waits for the disk.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  using Work = std::function<absl::Status(Call&)>;

  static grpc::ServerUnaryReactor* Start(Backend& backend, absl::string_view method,
                                         grpc::CallbackServerContext* context, TaskThread* thread,
                                         Work work) {
    auto* call = new UnaryCall(backend, method, context, std::move(work));
    call->Begin(thread);
    return call;
  }

  // A call that changes what `name` names, on the thread for changes; it is audited.
  static grpc::ServerUnaryReactor* StartChange(Backend& backend, absl::string_view method,
                                               grpc::CallbackServerContext* context,
                                               absl::string_view name, Work work) {
    auto* call = new UnaryCall(backend, method, context, std::move(work));
    call->call_.Audit(backend.audit(), name);
    call->Begin(&backend.storing());
    return call;
  }

 private:
  UnaryCall(Backend& backend, absl::string_view method, grpc::CallbackServerContext* context,
            Work work)
      : call_(backend.lifecycle(), backend.access(), backend.metrics(), method, context,
              backend.options().max_request_duration),
        work_(std::move(work)) {}

  void Begin(TaskThread* thread);
  void RunWork() { Finish(call_.End(work_(call_))); }
  void OnDone() override { delete this; }

  Call call_;
  const Work work_;
};

}  // namespace scanserve::server
