#include "server/drain.h"

#include "absl/time/clock.h"
#include "server/log.h"

namespace scanserve::server {
namespace {

// After the last call: for its answer to arrive before the connections are broken.
constexpr absl::Duration kArrivingTime = absl::Milliseconds(300);
// For calls that were ended to tell their clients so.
constexpr absl::Duration kEndingTime = absl::Seconds(1);
// For what is not ours to end: health watches and reflection streams, which have no end of their
// own.
constexpr absl::Duration kClosingTime = absl::Milliseconds(200);

}  // namespace

void Drain(const ServerOptions& options, Backend& backend, GrpcServer& server) {
  Lifecycle& lifecycle = backend.lifecycle();
  LogInfo("stopping", {{"drain_delay", absl::FormatDuration(options.drain_delay)},
                       {"drain_deadline", absl::FormatDuration(options.drain_deadline)}});
  server.SetServing(false);
  lifecycle.WaitWhileServing(absl::Now() + options.drain_delay);
  lifecycle.RefuseCalls();
  if (!lifecycle.WaitForCalls(absl::Now() + options.drain_deadline)) {
    const absl::Status status = absl::UnavailableError("the server is stopping");
    LogWarning("ending calls that are still open");
    lifecycle.EndCalls(status);
    lifecycle.WaitForCalls(absl::Now() + kEndingTime);
  }
  lifecycle.WaitWhileServing(absl::Now() + kArrivingTime);
  server.Shutdown(absl::Now() + kClosingTime);
  LogInfo("stopped");
}

}  // namespace scanserve::server
