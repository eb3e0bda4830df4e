// From the first call to the last: which calls are open, whether new ones are taken, and when to
// stop.
//
// Thread-safe. Made first and destroyed last; every open call registers itself here.
#pragma once

#include <set>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace scanserve::server {

// An open call as the lifecycle sees it. Its methods are called from any thread while it is
// registered; they return at once and never call the lifecycle back.
class OpenCall {
 public:
  virtual ~OpenCall() = default;
  // Asks the call to end with `status` as soon as its client reads on. Repeating it does nothing.
  virtual void EndEarly(const absl::Status& status) = 0;
  // Breaks the call off, whatever its client does.
  virtual void Kill() = 0;
  // When the call must have ended.
  virtual absl::Time expires() const = 0;
  // Whether it has no end of its own: nobody waits for it, and it ends when calls are refused.
  virtual bool endless() const { return false; }
};

class Lifecycle {
 public:
  // The first asks the server to stop; the second tells it not to wait for anything.
  void RequestStop();
  bool stop_requested() const;
  void WaitForStopRequest();

  // Returns at `until`, or earlier when the second stop request comes.
  void WaitWhileServing(absl::Time until);
  // From now on Enter refuses. Calls without an end of their own are asked to end.
  void RefuseCalls();
  // Returns when no call that has an end is open (true), or at `until` or the second stop request
  // (false).
  bool WaitForCalls(absl::Time until);
  // EndEarly on every open call.
  void EndCalls(const absl::Status& status);
  // EndEarly with DEADLINE_EXCEEDED on calls past their expiry, Kill on those that do not follow.
  void EndExpiredCalls(absl::Time now);

  // False when calls are refused. After true, the call must Leave before it is destroyed.
  bool Enter(OpenCall* call);
  void Leave(OpenCall* call);

 private:
  bool AnyWithAnEnd() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  int stop_requests_ ABSL_GUARDED_BY(mutex_) = 0;
  bool refusing_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<OpenCall*> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
