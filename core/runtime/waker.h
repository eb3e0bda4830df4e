// Wakes the engine's thread. Thread-safe; shared, because a client's stream can outlive the engine.
#pragma once

#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace scanserve::runtime {

class Waker {
 public:
  void Wake() {
    base::MutexLock lock(mutex_);
    awake_ = true;
    condition_.NotifyOne();
  }
  // Returns at `deadline`, or after a Wake() since the last return.
  void Wait(absl::Time deadline) {
    base::MutexLock lock(mutex_);
    while (!awake_ && condition_.WaitUntil(mutex_, deadline)) {
    }
    awake_ = false;
  }

 private:
  base::Mutex mutex_;
  base::CondVar condition_;
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace scanserve::runtime
