#include "client/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <future>

namespace scanserve::client {
namespace {

TEST(InterruptTest, CallsTheFunctionOnASignal) {
  std::promise<void> called;
  Interrupt interrupt([&called] { called.set_value(); });
  EXPECT_FALSE(interrupt.seen());
  raise(SIGINT);
  called.get_future().wait();
  EXPECT_TRUE(interrupt.seen());
}

TEST(InterruptTest, DoesNothingWithoutASignal) {
  bool called = false;
  {
    Interrupt interrupt([&called] { called = true; });
  }
  EXPECT_FALSE(called);
}

TEST(InterruptTest, LetsTheSecondSignalEndTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Interrupt interrupt([] {});
        raise(SIGINT);
        raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace scanserve::client
