// Lets one thread wait for what another says.
#pragma once

#include "core/base/mutex.h"

namespace scanserve::runtime {

class Signal {
 public:
  void Raise() {
    base::MutexLock lock(mutex_);
    raised_ = true;
    condition_.NotifyOne();
  }
  // Returns after a Raise() since the last return.
  void Await() {
    base::MutexLock lock(mutex_);
    while (!raised_) condition_.Wait(mutex_);
    raised_ = false;
  }

 private:
  base::Mutex mutex_;
  base::CondVar condition_;
  bool raised_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace scanserve::runtime
