// Who is told of the engine's work as it happens: for metrics.
//
// Called on the engine's thread, so that it must return at once and not call the engine.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace scanserve::runtime {

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  // A step has read so many tokens; what it answers has not been handed out yet.
  virtual void OnStep(int64_t tokens) = 0;
};

// Of one request, or of many that are counted alike.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  // The request has left the queue and holds a state slot. `tokens`: what it reads before it
  // decodes.
  virtual void OnStarted(absl::Duration queue_time, int64_t tokens) = 0;
  // The first token of the request was chosen.
  virtual void OnFirstToken(absl::Duration since_submission) = 0;
  // A token of one of its answers was chosen, the first ones among them; those follow none.
  virtual void OnToken(std::optional<absl::Duration> since_previous) = 0;
};

}  // namespace scanserve::runtime
