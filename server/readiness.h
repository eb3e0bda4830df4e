// What probes are told: whether the server is ready, and whether it is alive.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/runtime/engine.h"

namespace scanserve::server {

// Thread-safe.
class Readiness {
 public:
  enum class State { kLoading, kReady, kDraining, kStuck };

  // The engine counts as stuck when requests have waited for `liveness_timeout` without a step.
  explicit Readiness(absl::Duration liveness_timeout) : liveness_timeout_(liveness_timeout) {}

  // Calls are served from now on. `engine` is asked until StopServing.
  void Serve(const runtime::Engine& engine);
  // Calls are still served, but no new clients should come.
  void Drain();
  // The engine goes.
  void StopServing();

  State state() const;
  bool stuck() const;

 private:
  bool IsStuck() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const absl::Duration liveness_timeout_;
  mutable base::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  const runtime::Engine* engine_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// One word: "loading", "ready", "draining" or "stuck".
absl::string_view ReadinessWord(Readiness::State state);

}  // namespace scanserve::server
