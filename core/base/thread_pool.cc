#include "core/base/thread_pool.h"

#include <xmmintrin.h>

#include "core/base/check.h"
#include "core/base/flush_denormals.h"

namespace scanserve::base {
namespace {

// Looks before sleeping; one look with its pause takes 15 to 50 ns.
constexpr int kSpins = 2000;

}  // namespace

ThreadPool::ThreadPool(int threads) {
  SCANSERVE_CHECK(threads >= 1);
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { WorkerMain(i); });
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mutex_);
    stop_.store(true);
    generation_.fetch_add(1);
    work_or_stop_.NotifyAll();
  }
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(int64_t count, Body body) {
  if (count <= 0) return;
  const ScopedFlushDenormals flush_denormals;
  if (workers_.empty() || count == 1) {
    body(0, count);
    return;
  }
  body_ = &body;
  count_ = count;
  running_workers_.store(static_cast<int>(workers_.size()));
  // A worker counts itself as sleeping before it looks at the generation for the last time. Both
  // sides are sequentially consistent, so either it sees this generation or it is counted here.
  generation_.fetch_add(1);
  if (sleeping_workers_.load() > 0) {
    MutexLock lock(mutex_);
    work_or_stop_.NotifyAll();
  }
  RunShare(/*index=*/0, count, body);
  AwaitWorkers();
}

void ThreadPool::RunShare(int index, int64_t count, Body body) const {
  const int64_t begin = count * index / threads();
  const int64_t end = count * (index + 1) / threads();
  if (begin < end) body(begin, end);
}

void ThreadPool::AwaitWorkers() {
  for (int i = 0; i < kSpins; ++i) {
    if (running_workers_.load(std::memory_order_acquire) == 0) return;
    _mm_pause();
  }
  MutexLock lock(mutex_);
  caller_sleeps_.store(true);
  while (running_workers_.load() != 0) workers_done_.Wait(mutex_);
  caller_sleeps_.store(false);
}

uint64_t ThreadPool::AwaitGeneration(uint64_t seen) {
  for (int i = 0; i < kSpins; ++i) {
    const uint64_t generation = generation_.load(std::memory_order_acquire);
    if (generation != seen) return generation;
    _mm_pause();
  }
  MutexLock lock(mutex_);
  sleeping_workers_.fetch_add(1);
  while (generation_.load() == seen) work_or_stop_.Wait(mutex_);
  sleeping_workers_.fetch_sub(1);
  return generation_.load();
}

void ThreadPool::WorkerMain(int index) {
  const ScopedFlushDenormals flush_denormals;
  uint64_t seen = 0;
  while (true) {
    seen = AwaitGeneration(seen);
    if (stop_.load()) return;
    RunShare(index, count_, *body_);
    if (running_workers_.fetch_sub(1) == 1 && caller_sleeps_.load()) {
      MutexLock lock(mutex_);
      workers_done_.NotifyOne();
    }
  }
}

}  // namespace scanserve::base
