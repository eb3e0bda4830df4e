// A fixed set of threads that run one loop at a time, for kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/base/mutex.h"

namespace scanserve::base {

// The threads are the caller and threads() - 1 workers. A worker that has nothing to do watches for
// work for some tens of microseconds, so that the loops of one model step follow each other without
// system calls, and then sleeps. Denormals are flushed (flush_denormals.h) wherever a body runs.
class ThreadPool {
 public:
  // `threads` >= 1 counts the caller.
  explicit ThreadPool(int threads);
  // Joins the workers. No ParallelFor may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) on ranges that together cover [0, count) once, at most one range a
  // thread, as even as can be, the same ones each time. Returns when all are done. One caller at a
  // time, and never from within a body.
  void ParallelFor(int64_t count, absl::FunctionRef<void(int64_t begin, int64_t end)> body);

 private:
  using Body = absl::FunctionRef<void(int64_t, int64_t)>;

  void WorkerMain(int index);
  void RunShare(int index, int64_t count, Body body) const;
  // Returns the generation after `seen`.
  uint64_t AwaitGeneration(uint64_t seen);
  void AwaitWorkers();

  // Written by the caller before it raises generation_, read by workers after they saw it.
  const Body* body_ = nullptr;
  int64_t count_ = 0;

  std::atomic<uint64_t> generation_{0};
  std::atomic<int> running_workers_{0};
  std::atomic<int> sleeping_workers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  CondVar work_or_stop_;
  CondVar workers_done_;
  std::vector<std::thread> workers_;
};

}  // namespace scanserve::base
