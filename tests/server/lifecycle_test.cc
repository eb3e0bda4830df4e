#include "server/lifecycle.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/time/clock.h"

namespace scanserve::server {
namespace {

class RecordedCall : public OpenCall {
 public:
  explicit RecordedCall(absl::Time expires) : expires_(expires) {}
  void EndEarly(const absl::Status& status) override { ended.push_back(status); }
  void Kill() override { ++kills; }
  absl::Time expires() const override { return expires_; }

  std::vector<absl::Status> ended;
  int kills = 0;

 private:
  const absl::Time expires_;
};

TEST(LifecycleTest, RefusesCallsOnlyWhenTold) {
  Lifecycle lifecycle;
  RecordedCall first(absl::InfiniteFuture());
  RecordedCall second(absl::InfiniteFuture());
  lifecycle.RequestStop();
  EXPECT_TRUE(lifecycle.Enter(&first));
  lifecycle.RefuseCalls();
  EXPECT_FALSE(lifecycle.Enter(&second));
  EXPECT_FALSE(lifecycle.WaitForCalls(absl::Now() + absl::Milliseconds(5)));
  lifecycle.Leave(&first);
  EXPECT_TRUE(lifecycle.WaitForCalls(absl::Now()));
}

TEST(LifecycleTest, TheSecondStopRequestEndsTheWaits) {
  Lifecycle lifecycle;
  RecordedCall call(absl::InfiniteFuture());
  ASSERT_TRUE(lifecycle.Enter(&call));
  lifecycle.RequestStop();
  lifecycle.WaitForStopRequest();
  std::thread second([&] { lifecycle.RequestStop(); });
  lifecycle.WaitWhileServing(absl::InfiniteFuture());
  EXPECT_FALSE(lifecycle.WaitForCalls(absl::InfiniteFuture()));
  second.join();
  lifecycle.Leave(&call);
}

TEST(LifecycleTest, EndsExpiredCallsAndThenBreaksThemOff) {
  Lifecycle lifecycle;
  const absl::Time now = absl::Now();
  RecordedCall late(now);
  RecordedCall early(now + absl::Hours(1));
  ASSERT_TRUE(lifecycle.Enter(&late));
  ASSERT_TRUE(lifecycle.Enter(&early));
  lifecycle.EndExpiredCalls(now);
  ASSERT_EQ(late.ended.size(), 1u);
  EXPECT_EQ(late.ended[0].code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(late.kills, 0);
  lifecycle.EndExpiredCalls(now + absl::Seconds(10));
  EXPECT_EQ(late.kills, 1);
  EXPECT_TRUE(early.ended.empty());
  lifecycle.Leave(&late);
  lifecycle.Leave(&early);
}

}  // namespace
}  // namespace scanserve::server
