// A thread that does one thing again and again.
#pragma once

#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace scanserve::server {

// Calls `task` every `interval` from construction to destruction, which joins the thread.
class PeriodicTask {
 public:
  PeriodicTask(absl::Duration interval, std::function<void()> task);
  ~PeriodicTask();
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

 private:
  // Returns false when it is time to end.
  bool WaitForTurn();

  const absl::Duration interval_;
  const std::function<void()> task_;
  base::Mutex mutex_;
  base::CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace scanserve::server
