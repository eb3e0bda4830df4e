#include "server/readiness.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace scanserve::server {

void Readiness::Serve(const runtime::Engine& engine) {
  base::MutexLock lock(mutex_);
  engine_ = &engine;
}

void Readiness::Drain() {
  base::MutexLock lock(mutex_);
  draining_ = true;
}

void Readiness::StopServing() {
  base::MutexLock lock(mutex_);
  draining_ = true;
  engine_ = nullptr;
}

Readiness::State Readiness::state() const {
  base::MutexLock lock(mutex_);
  if (IsStuck()) return State::kStuck;
  if (draining_) return State::kDraining;
  return engine_ == nullptr ? State::kLoading : State::kReady;
}

bool Readiness::stuck() const {
  base::MutexLock lock(mutex_);
  return IsStuck();
}

bool Readiness::IsStuck() const {
  if (engine_ == nullptr) return false;
  const runtime::EngineStats stats = engine_->stats();
  // A request that has just come to an engine that was idle for long waits since it came.
  return absl::Now() - std::max(stats.last_step, stats.waiting_since) >= liveness_timeout_;
}

absl::string_view ReadinessWord(Readiness::State state) {
  switch (state) {
    case Readiness::State::kLoading:
      return "loading";
    case Readiness::State::kReady:
      return "ready";
    case Readiness::State::kDraining:
      return "draining";
    case Readiness::State::kStuck:
      break;
  }
  return "stuck";
}

}  // namespace scanserve::server
