#include "server/task_thread.h"

#include <utility>

namespace scanserve::server {

TaskThread::TaskThread(size_t capacity) : capacity_(capacity), thread_([this] { Run(); }) {}

TaskThread::~TaskThread() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
}

bool TaskThread::TryPost(std::function<void()> task) {
  {
    base::MutexLock lock(mutex_);
    if (tasks_.size() >= capacity_) return false;
    tasks_.push_back(std::move(task));
  }
  changed_.NotifyOne();
  return true;
}

void TaskThread::Run() {
  for (;;) {
    std::function<void()> task;
    {
      base::MutexLock lock(mutex_);
      while (tasks_.empty() && !stopping_) changed_.Wait(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace scanserve::server
