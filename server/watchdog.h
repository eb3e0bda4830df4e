// Tells balancers that the engine is stuck.
#pragma once

#include "absl/time/time.h"
#include "server/grpc_server.h"
#include "server/periodic_task.h"
#include "server/readiness.h"

namespace scanserve::server {

// Looks every `interval`, on a thread of its own, and reports NOT_SERVING while the engine is
// stuck, SERVING again when it goes on. Both are logged. Destroy it before the server drains.
class Watchdog {
 public:
  // Both outlive the watchdog.
  Watchdog(const Readiness& readiness, GrpcServer& server, absl::Duration interval);

 private:
  void Look();

  const Readiness& readiness_;
  GrpcServer& server_;
  bool was_stuck_ = false;  // the thread's alone
  PeriodicTask task_;
};

}  // namespace scanserve::server
