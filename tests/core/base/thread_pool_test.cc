#include "core/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>
#include <thread>
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

TEST(ThreadPoolTest, CoversEachIndexOnceInEvenRanges) {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 3, 6, 100}) {
      for (const int64_t smallest : {1, 5, 100}) {
        std::vector<int> visits(static_cast<size_t>(count), 0);
        std::mutex mutex;
        std::vector<int64_t> sizes;
        pool.ParallelFor(count, smallest, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
          const std::lock_guard lock(mutex);
          sizes.push_back(end - begin);
        });
        EXPECT_EQ(visits, std::vector<int>(static_cast<size_t>(count), 1));
        if (count == 0) continue;
        const auto [shortest, longest] = std::minmax_element(sizes.begin(), sizes.end());
        EXPECT_LE(*longest, *shortest + 1);
        EXPECT_GE(*shortest, std::min(smallest, count / threads));
        EXPECT_EQ(sizes.size(), threads == 1 ? 1
                                             : std::clamp<int64_t>(
                                                   count / smallest,
                                                   std::min<int64_t>(count, threads), 4 * threads));
      }
    }
  }
}

TEST(ThreadPoolTest, AThreadThatIsHeldUpHoldsUpOneRange) {
  ThreadPool pool(2);
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> done{0};
    pool.ParallelFor(8, /*smallest_range=*/1, [&](int64_t begin, int64_t) {
      while (begin == round % 8 && done < 7) std::this_thread::yield();
      ++done;
    });
    EXPECT_EQ(done, 8);
  }
}

TEST(ThreadPoolTest, RunsManyLoopsInOrder) {
  ThreadPool pool(3);
  std::vector<int64_t> values(9, 0);
  for (int64_t round = 0; round < 5000; ++round) {
    pool.ParallelFor(9, /*smallest_range=*/1, [&](int64_t begin, int64_t end) {
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
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> by_worker{0};
  for (int round = 0; round < 20; ++round) {
    StayBusy(std::chrono::milliseconds(2));  // the worker sleeps
    std::atomic<int> begun{0};
    pool.ParallelFor(2, /*smallest_range=*/1, [&](int64_t, int64_t) {
      // Each thread has one of the two.
      ++begun;
      while (begun < 2) std::this_thread::yield();
      if (std::this_thread::get_id() == caller) return;
      StayBusy(std::chrono::milliseconds(2));  // the caller sleeps
      ++by_worker;
    });
  }
  EXPECT_EQ(by_worker, 20);
}

TEST(ThreadPoolTest, FlushesDenormalsWhereABodyRunsAndNowhereElse) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    EXPECT_FALSE(DenormalsAreFlushed());
    std::atomic<int> begun{0};
    std::atomic<int> flushed{0};
    pool.ParallelFor(threads, /*smallest_range=*/1, [&](int64_t, int64_t) {
      ++begun;
      while (begun < threads) std::this_thread::yield();
      flushed += DenormalsAreFlushed() ? 1 : 0;
    });
    EXPECT_EQ(flushed, threads);
    EXPECT_FALSE(DenormalsAreFlushed());
  }
}

TEST(ThreadPoolTest, EndsWithoutEverHavingRun) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

}  // namespace
}  // namespace scanserve::base
