#include "server/task_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace scanserve::server {
namespace {

TEST(TaskThreadTest, RunsAllTasksInOrderBeforeItEnds) {
  std::vector<int> done;
  {
    TaskThread thread(100);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(thread.TryPost([&done, i] { done.push_back(i); }));
    }
  }
  ASSERT_EQ(done.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done[static_cast<size_t>(i)], i);
}

TEST(TaskThreadTest, RefusesTasksPastItsCapacity) {
  std::promise<void> running;
  std::promise<void> release;
  TaskThread thread(1);
  ASSERT_TRUE(thread.TryPost([&] {
    running.set_value();
    release.get_future().wait();
  }));
  running.get_future().wait();
  EXPECT_TRUE(thread.TryPost([] {}));
  EXPECT_FALSE(thread.TryPost([] {}));
  release.set_value();
}

}  // namespace
}  // namespace scanserve::server
