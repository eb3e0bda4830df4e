#include "server/watchdog.h"

#include "server/log.h"

namespace scanserve::server {

Watchdog::Watchdog(const Readiness& readiness, GrpcServer& server, absl::Duration interval)
    : readiness_(readiness), server_(server), task_(interval, [this] { Look(); }) {}

void Watchdog::Look() {
  const bool stuck = readiness_.stuck();
  if (stuck == was_stuck_) return;
  was_stuck_ = stuck;
  server_.SetServing(!stuck);
  if (stuck) LogError("the engine is stuck");
  if (!stuck) LogWarning("the engine goes on");
}

}  // namespace scanserve::server
