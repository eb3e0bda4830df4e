#include "server/periodic_task.h"

#include <utility>

#include "absl/time/clock.h"

namespace scanserve::server {

PeriodicTask::PeriodicTask(absl::Duration interval, std::function<void()> task)
    : interval_(interval), task_(std::move(task)), thread_([this] {
        while (WaitForTurn()) task_();
      }) {}

PeriodicTask::~PeriodicTask() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  stopped_.NotifyOne();
  thread_.join();
}

bool PeriodicTask::WaitForTurn() {
  const absl::Time turn = absl::Now() + interval_;
  base::MutexLock lock(mutex_);
  while (!stopping_ && stopped_.WaitUntil(mutex_, turn)) {
  }
  return !stopping_;
}

}  // namespace scanserve::server
