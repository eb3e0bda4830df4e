#include "core/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <vector>

#include "core/base/flush_denormals.h"
#include "gtest/gtest.h"

namespace scanserve::base {
namespace {

void StayBusy(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

bool DenormalsAreFlushed() {
  volatile float smallest = std::numeric_limits<float>::min();
  volatile float half = smallest / 2;
  return half == 0.0F;
}

TEST(ThreadPoolTest, CoversEachIndexOnceInEvenShares) {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 3, 6, 100}) {
      std::vector<int> visits(static_cast<size_t>(count), 0);
      std::atomic<int64_t> longest{0};
      pool.ParallelFor(count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
        int64_t seen = longest;
        while (seen < end - begin && !longest.compare_exchange_weak(seen, end - begin)) {
        }
      });
      EXPECT_EQ(visits, std::vector<int>(static_cast<size_t>(count), 1));
      EXPECT_LE(longest, count <= 1 ? count : count / threads + 1);
    }
  }
}

TEST(ThreadPoolTest, RunsManyLoopsInOrder) {
  ThreadPool pool(3);
  std::vector<int64_t> values(9, 0);
  for (int64_t round = 0; round < 5000; ++round) {
    pool.ParallelFor(9, [&](int64_t begin, int64_t end) {
      // Reads what another thread wrote in the loop before.
      for (int64_t i = begin; i < end; ++i) {
        ASSERT_EQ(values[static_cast<size_t>(i)], round);
        values[static_cast<size_t>(i)] = round + 1;
      }
    });
    std::rotate(values.begin(), values.begin() + 4, values.end());
  }
}

TEST(ThreadPoolTest, WakesWorkersAndCallersThatFellAsleep) {
  ThreadPool pool(2);
  std::atomic<int> ranges{0};
  for (int round = 0; round < 20; ++round) {
    StayBusy(std::chrono::milliseconds(2));  // the worker sleeps
    pool.ParallelFor(2, [&](int64_t begin, int64_t) {
      if (begin == 1) StayBusy(std::chrono::milliseconds(2));  // the caller sleeps
      ++ranges;
    });
  }
  EXPECT_EQ(ranges, 40);
}

TEST(ThreadPoolTest, FlushesDenormalsWhereABodyRunsAndNowhereElse) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    EXPECT_FALSE(DenormalsAreFlushed());
    std::atomic<int> flushed{0};
    pool.ParallelFor(threads, [&](int64_t, int64_t) { flushed += DenormalsAreFlushed() ? 1 : 0; });
    EXPECT_EQ(flushed, threads);
    EXPECT_FALSE(DenormalsAreFlushed());
  }
}

TEST(ThreadPoolTest, EndsWithoutEverHavingRun) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

}  // namespace
}  // namespace scanserve::base
