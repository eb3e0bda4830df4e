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

  // Calls body(begin, end) on ranges that together cover [0, count) once, as even as can be: one
  // for each thread, or more, as long as none is shorter than `smallest_range`. Threads take them
  // as they come free, so one that the system has put aside holds up no more than the range it is
  // in. Returns when all are done. One caller at a time, and never from within a body.
  void ParallelFor(int64_t count, int64_t smallest_range,
                   absl::FunctionRef<void(int64_t begin, int64_t end)> body);

 private:
  using Body = absl::FunctionRef<void(int64_t, int64_t)>;

  void WorkerMain();
  // Takes ranges until none is left.
  void RunRanges();
  // Returns the generation after `seen`.
  uint32_t AwaitGeneration(uint32_t seen);
  void AwaitRanges();
  bool RangesDone() const { return done_ranges_.load() == ranges_; }

  // The loop. Written by the caller between two loops, read by who holds one of its ranges: the
  // caller returns only after that one is done.
  const Body* body_ = nullptr;
  int64_t count_ = 0;
  int64_t ranges_ = 0;

  // Of the loop: its generation in the upper half, in the lower the ranges that nobody has taken.
  // In one word, so that who takes a range has it of the loop that it has seen.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int64_t> done_ranges_{0};
  std::atomic<int> sleeping_workers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  CondVar work_or_stop_;
  CondVar ranges_done_;
  std::vector<std::thread> workers_;
};

}  // namespace scanserve::base
