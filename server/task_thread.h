// One thread that runs tasks in the order in which they were posted.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "core/base/mutex.h"

namespace scanserve::server {

// Thread-safe. The destructor runs what still waits and joins the thread.
class TaskThread {
 public:
  // At most `capacity` tasks wait.
  explicit TaskThread(size_t capacity);
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // False, and `task` is dropped, when `capacity` tasks wait.
  [[nodiscard]] bool TryPost(std::function<void()> task);

 private:
  void Run();

  const size_t capacity_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace scanserve::server
