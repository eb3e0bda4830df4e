#include "core/base/thread_pool.h"

#include <xmmintrin.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/flush_denormals.h"

namespace scanserve::base {
namespace {

// Looks before sleeping; one look with its pause takes 15 to 50 ns.
constexpr int kSpins = 2000;

// So that threads that lose their processors for a while, and those that do not, end together.
constexpr int64_t kRangesPerThread = 4;

uint32_t GenerationOf(uint64_t ticket) { return static_cast<uint32_t>(ticket >> 32); }
int64_t RangesLeft(uint64_t ticket) { return static_cast<int64_t>(ticket & UINT32_MAX); }
uint64_t Ticket(uint32_t generation, int64_t ranges) {
  return (uint64_t{generation} << 32) | static_cast<uint64_t>(ranges);
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  SCANSERVE_CHECK(threads >= 1);
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { WorkerMain(); });
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mutex_);
    stop_.store(true);
    ticket_.store(Ticket(GenerationOf(ticket_.load()) + 1, 0));
    work_or_stop_.NotifyAll();
  }
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(int64_t count, int64_t smallest_range, Body body) {
  if (count <= 0) return;
  const ScopedFlushDenormals flush_denormals;
  if (workers_.empty() || count == 1) {
    body(0, count);
    return;
  }
  body_ = &body;
  count_ = count;
  ranges_ = std::clamp<int64_t>(count / smallest_range, std::min<int64_t>(count, threads()),
                                threads() * kRangesPerThread);
  done_ranges_.store(0, std::memory_order_relaxed);
  // A worker counts itself as sleeping before it looks at the generation for the last time. Both
  // sides are sequentially consistent, so either it sees this generation or it is counted here.
  ticket_.store(Ticket(GenerationOf(ticket_.load()) + 1, ranges_));
  if (sleeping_workers_.load() > 0) {
    MutexLock lock(mutex_);
    work_or_stop_.NotifyAll();
  }
  RunRanges();
  AwaitRanges();
}

void ThreadPool::RunRanges() {
  uint64_t ticket = ticket_.load();
  while (RangesLeft(ticket) > 0) {
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1)) continue;
    const int64_t ranges = ranges_;
    const int64_t range = ranges - RangesLeft(ticket);
    (*body_)(count_ * range / ranges, count_ * (range + 1) / ranges);
    // After the last one the loop may be gone.
    if (done_ranges_.fetch_add(1) + 1 == ranges && caller_sleeps_.load()) {
      MutexLock lock(mutex_);
      ranges_done_.NotifyOne();
    }
    ticket = ticket_.load();
  }
}

void ThreadPool::AwaitRanges() {
  for (int i = 0; i < kSpins; ++i) {
    if (RangesDone()) return;
    _mm_pause();
  }
  MutexLock lock(mutex_);
  caller_sleeps_.store(true);
  while (!RangesDone()) ranges_done_.Wait(mutex_);
  caller_sleeps_.store(false);
}

uint32_t ThreadPool::AwaitGeneration(uint32_t seen) {
  for (int i = 0; i < kSpins; ++i) {
    const uint32_t generation = GenerationOf(ticket_.load(std::memory_order_acquire));
    if (generation != seen) return generation;
    _mm_pause();
  }
  MutexLock lock(mutex_);
  sleeping_workers_.fetch_add(1);
  while (GenerationOf(ticket_.load()) == seen) work_or_stop_.Wait(mutex_);
  sleeping_workers_.fetch_sub(1);
  return GenerationOf(ticket_.load());
}

void ThreadPool::WorkerMain() {
  const ScopedFlushDenormals flush_denormals;
  uint32_t seen = 0;
  while (true) {
    seen = AwaitGeneration(seen);
    if (stop_.load()) return;
    RunRanges();
  }
}

}  // namespace scanserve::base
