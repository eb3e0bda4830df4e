#include "core/ops/segment_tasks.h"

#include <map>

#include "core/base/mutex.h"
#include "gtest/gtest.h"

namespace scanserve::ops {
namespace {

TEST(SegmentTasksTest, VisitsEachPairOnce) {
  const std::vector<std::vector<int64_t>> batches = {
      {}, {0}, {1}, {512}, {1, 1, 1}, {5, 0, 300, 1}, {0, 0, 7}};
  for (const int threads : {1, 2, 3, 5}) {
    base::ThreadPool pool(threads);
    for (const std::vector<int64_t>& rows : batches) {
      for (const int64_t groups : {1, 3, 96}) {
        base::Mutex mutex;
        std::map<std::pair<int64_t, int64_t>, int> visits;
        ForEachSegmentGroup(rows, groups, pool, [&](int64_t segment, int64_t group) {
          base::MutexLock lock(mutex);
          ++visits[{segment, group}];
        });
        std::map<std::pair<int64_t, int64_t>, int> expected;
        for (size_t s = 0; s < rows.size(); ++s) {
          for (int64_t g = 0; g < groups && rows[s] > 0; ++g) {
            expected[{static_cast<int64_t>(s), g}] = 1;
          }
        }
        EXPECT_EQ(visits, expected);
      }
    }
  }
}

}  // namespace
}  // namespace scanserve::ops
