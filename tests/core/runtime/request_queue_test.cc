#include "core/runtime/request_queue.h"

#include <gtest/gtest.h>

#include "core/base/retry_delay.h"
#include "tests/core/runtime/planned_job.h"

namespace scanserve::runtime {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

model::MambaConfig SmallConfig() {
  model::MambaConfig config;
  config.vocab_size = 4;
  config.hidden_size = 2;
  config.inner_size = 4;
  config.state_size = 2;
  config.num_layers = 1;
  config.conv_kernel = 2;
  config.time_step_rank = 1;
  return config;
}

// A queue and the slots that it fills. Whoever is admitted stays until Leave().
class Admissions {
 public:
  explicit Admissions(int32_t slots, double low_share = 0.2)
      : queue_(1000, 1'000'000, low_share), slots_(SmallConfig(), slots, /*poison=*/true) {}

  void Push(const PlannedJobOptions& options, int times = 1) {
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(queue_.Push(PlannedSequence(options), kStart).ok());
    }
  }
  // Whom the queue lets in next; null when nobody.
  const Sequence* Admit() {
    auto sequence = queue_.Take(
        slots_, [&](const Job& job) { return job.basics().caller != blocked_; }, kStart);
    if (sequence == nullptr) return nullptr;
    for (int32_t i = 0; i < sequence->job->slots(); ++i) {
      states_.push_back(slots_.Take(sequence->request->holder));
    }
    running_.push_back(std::move(sequence));
    return running_.back().get();
  }
  std::string AdmitCaller() {
    const Sequence* sequence = Admit();
    return sequence == nullptr ? "nobody" : sequence->job->basics().caller;
  }
  // The oldest that runs goes.
  void Leave() {
    for (int32_t i = 0; i < running_.front()->job->slots(); ++i) {
      slots_.GiveBack(running_.front()->request->holder, std::move(states_.front()));
      states_.pop_front();
    }
    running_.pop_front();
  }
  void Block(const std::string& caller) { blocked_ = caller; }
  RequestQueue& queue() { return queue_; }
  StateSlots& slots() { return slots_; }

 private:
  RequestQueue queue_;
  StateSlots slots_;
  std::string blocked_ = "no such caller";
  std::deque<std::unique_ptr<Sequence>> running_;
  std::deque<std::unique_ptr<model::SequenceState>> states_;
};

TEST(RequestQueueTest, OneCallersRequestsComeInTheOrderOfTheirArrival) {
  Admissions admissions(4);
  for (int64_t tokens : {5, 1, 3}) admissions.Push({.tokens = tokens});
  for (int64_t tokens : {5, 1, 3}) EXPECT_EQ(admissions.Admit()->job->prompt_tokens(), tokens);
  EXPECT_EQ(admissions.Admit(), nullptr);
}

TEST(RequestQueueTest, ACallerAloneMayHoldAllSlots) {
  Admissions admissions(4);
  admissions.Push({.caller = "a"}, 5);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(admissions.AdmitCaller(), "a");
  EXPECT_EQ(admissions.AdmitCaller(), "nobody");
}

TEST(RequestQueueTest, TheCallerThatHoldsTheFewestSlotsIsNext) {
  Admissions admissions(6);
  admissions.Push({.caller = "a"}, 10);
  admissions.Push({.caller = "b"}, 10);
  admissions.Push({.caller = "c"}, 10);
  std::string order;
  for (int i = 0; i < 6; ++i) order += admissions.AdmitCaller();
  EXPECT_EQ(order, "abcabc");
}

TEST(RequestQueueTest, ACallerWithHalfOfTheSlotsWaitsForAnotherThatNeedsMoreThanAreFree) {
  Admissions admissions(4);
  admissions.Push({.caller = "a"}, 10);
  for (int i = 0; i < 3; ++i) admissions.Admit();
  admissions.Push({.caller = "b", .slots = 2});
  // One slot is free, and "a" holds more than half.
  EXPECT_EQ(admissions.AdmitCaller(), "nobody");
  admissions.Leave();
  EXPECT_EQ(admissions.AdmitCaller(), "b");
  admissions.Leave();
  EXPECT_EQ(admissions.AdmitCaller(), "a") << "alone again, it may have all that is free";
}

TEST(RequestQueueTest, OneThatWouldHoldMoreThanHalfGivesWayToOneThatWouldNot) {
  Admissions admissions(8);
  admissions.Push({.caller = "b"}, 1);
  admissions.Admit();
  admissions.Push({.caller = "a", .slots = 5});
  admissions.Push({.caller = "b"}, 1);
  EXPECT_EQ(admissions.AdmitCaller(), "b");
  EXPECT_EQ(admissions.AdmitCaller(), "a") << "nobody else waits";
}

TEST(RequestQueueTest, WhoeverWaitsForMemoryIsPassedBy) {
  Admissions admissions(2);
  admissions.Push({.caller = "large"});
  admissions.Push({.caller = "small"});
  admissions.Block("large");
  EXPECT_EQ(admissions.AdmitCaller(), "small");
  EXPECT_EQ(admissions.AdmitCaller(), "nobody");
}

// Of 100 admissions to `slots` slots, while both levels always wait.
int LowAdmissions(int32_t slots, double share) {
  Admissions admissions(slots, share);
  admissions.Push({}, 150);
  admissions.Push({.priority = Priority::kLow}, 150);
  int low = 0;
  for (int i = 0; i < 100; ++i) {
    if (i >= slots) admissions.Leave();
    const Sequence* admitted = admissions.Admit();
    if (admitted == nullptr) return -1;
    low += admitted->job->basics().priority == Priority::kLow ? 1 : 0;
  }
  return low;
}

TEST(RequestQueueTest, LowPriorityGetsItsShareOfTheAdmissionsAndNoMore) {
  EXPECT_NEAR(LowAdmissions(8, 0.2), 20, 1);
  EXPECT_NEAR(LowAdmissions(1, 0.2), 20, 1);
  EXPECT_NEAR(LowAdmissions(8, 0.1), 10, 1);
}

TEST(RequestQueueTest, LowPriorityLeavesAQuarterOfTheSlotsToNormal) {
  Admissions admissions(8);
  admissions.Push({.priority = Priority::kLow}, 10);
  for (int i = 0; i < 6; ++i) EXPECT_NE(admissions.Admit(), nullptr);
  EXPECT_EQ(admissions.Admit(), nullptr);
  admissions.Push({.caller = "normal"});
  EXPECT_EQ(admissions.AdmitCaller(), "normal");
}

TEST(RequestQueueTest, TheFirstOfLowPriorityMayHaveAllSlots) {
  Admissions admissions(4);
  admissions.Push({.priority = Priority::kLow, .slots = 4});
  EXPECT_NE(admissions.Admit(), nullptr);
}

TEST(RequestQueueTest, CountsWhatWaits) {
  Admissions admissions(4);
  admissions.Push({.tokens = 7});
  admissions.Push({.priority = Priority::kLow, .tokens = 5});
  EXPECT_EQ(admissions.queue().requests(), 2);
  EXPECT_EQ(admissions.queue().requests_of(Priority::kLow), 1);
  EXPECT_EQ(admissions.queue().tokens(), 12);
  EXPECT_EQ(admissions.queue().Remove([](Sequence&) { return true; }).size(), 2U);
  EXPECT_EQ(admissions.queue().tokens(), 0);
}

// What a queue of 8 says to the ninth, after one admission that took `pace`.
absl::Duration DelayAfter(absl::Duration pace, absl::Duration since) {
  RequestQueue queue(8, 1'000'000, 0.2);
  StateSlots slots(SmallConfig(), 100, false);
  absl::Time now = kStart;
  const auto any = [](const Job&) { return true; };
  // Often enough to forget the first guess.
  for (int i = 0; i < 100; ++i) {
    while (queue.Push(PlannedSequence({}), now).ok()) {
    }
    now += pace;
    queue.Take(slots, any, now);
  }
  EXPECT_TRUE(queue.Push(PlannedSequence({}), now).ok());
  const absl::Status refused = queue.Push(PlannedSequence({}), now + since);
  EXPECT_EQ(refused.message(), "the queue is full: 8 requests wait, at most 8");
  return *base::RetryDelay(refused);
}

TEST(RequestQueueTest, SaysWhenAQuarterOfItWillHaveGone) {
  EXPECT_NEAR(absl::ToDoubleSeconds(DelayAfter(absl::Seconds(3), absl::ZeroDuration())), 6, 0.01);
  EXPECT_NEAR(absl::ToDoubleSeconds(DelayAfter(absl::Milliseconds(200), absl::ZeroDuration())), 0.4,
              0.01);
  // The one under way has taken longer already.
  EXPECT_EQ(DelayAfter(absl::Milliseconds(200), absl::Seconds(5)), absl::Seconds(10));
  EXPECT_EQ(DelayAfter(absl::Microseconds(1), absl::ZeroDuration()), absl::Milliseconds(100));
  EXPECT_EQ(DelayAfter(absl::Hours(1), absl::ZeroDuration()), absl::Minutes(1));
}

TEST(StateSlotsTest, AStateThatComesBackOneTooManyIsNotKept) {
  StateSlots slots(SmallConfig(), 1, false);
  const SlotHolder holder = {"a", Priority::kLow};
  auto parked = slots.Take(holder);
  slots.Vacate(holder);
  EXPECT_EQ(slots.held_by("a"), 0);
  EXPECT_EQ(slots.held_at_low_priority(), 0);
  slots.GiveBack(holder, slots.Take(holder));
  slots.Reoccupy(holder);
  EXPECT_EQ(slots.free(), 0);
  EXPECT_EQ(slots.held_at_low_priority(), 1);
  slots.GiveBack(holder, std::move(parked));
  auto one = slots.Take(holder);
  EXPECT_EQ(slots.free(), 0);
  slots.GiveBack(holder, std::move(one));
  EXPECT_EQ(slots.used(), 0);
}

}  // namespace
}  // namespace scanserve::runtime
