#include "server/unary_call.h"

#include "absl/time/time.h"
#include "server/grpc_status.h"

namespace scanserve::server {

void UnaryCall::Begin(TaskThread* thread) {
  const absl::Status admitted = call_.Admit(nullptr);
  if (!admitted.ok()) return Finish(call_.End(admitted));
  if (thread == nullptr) return RunWork();
  if (!thread->TryPost([this] { RunWork(); })) {
    Finish(call_.End(
        WithRetryDelay(absl::ResourceExhaustedError("too many calls of this kind are waiting"),
                       absl::Seconds(1))));
  }
}

}  // namespace scanserve::server
