#include "core/runtime/state_slots.h"

#include <malloc.h>

#include <cmath>
#include <string>

#include "gtest/gtest.h"

namespace scanserve::runtime {
namespace {

using State = std::unique_ptr<model::SequenceState>;

model::MambaConfig SmallConfig() {
  model::MambaConfig config;
  config.vocab_size = 8;
  config.hidden_size = 4;
  config.inner_size = 8;
  config.num_layers = 2;
  config.time_step_rank = 1;
  return config;
}

const SlotHolder kAda = {"ada", Priority::kNormal};
const SlotHolder kBob = {"bob", Priority::kLow};

TEST(StateSlotsTest, CountsWhoHoldsThem) {
  StateSlots slots(SmallConfig(), 3, /*poison=*/false);
  State first = slots.Take(kAda);
  State second = slots.Take(kAda);
  State third = slots.Take(kBob);
  EXPECT_EQ(slots.free(), 0);
  EXPECT_EQ(slots.held_by("ada"), 2);
  EXPECT_EQ(slots.held_by("bob"), 1);
  EXPECT_EQ(slots.held_at_low_priority(), 1);
  slots.GiveBack(kAda, std::move(first));
  slots.GiveBack(kBob, std::move(third));
  slots.GiveBack(kAda, std::move(second));
  EXPECT_EQ(slots.used(), 0);
  EXPECT_EQ(slots.held_by("ada"), 0);
  EXPECT_EQ(slots.held_at_low_priority(), 0);
}

TEST(StateSlotsTest, ForgetsCallersThatHoldNothing) {
  StateSlots slots(SmallConfig(), 1, /*poison=*/false);
  slots.GiveBack(kAda, slots.Take(kAda));
  constexpr int kCallers = 10'000;
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < kCallers; ++i) {
    const SlotHolder caller = {std::to_string(i), Priority::kNormal};
    slots.GiveBack(caller, slots.Take(caller));
  }
  EXPECT_LT(mallinfo2().uordblks, before + kCallers);
}

TEST(StateSlotsTest, HandsAStateOutAgain) {
  StateSlots slots(SmallConfig(), 2, /*poison=*/false);
  State state = slots.Take(kAda);
  const model::SequenceState* const address = state.get();
  slots.GiveBack(kAda, std::move(state));
  EXPECT_EQ(slots.Take(kBob).get(), address);
}

TEST(StateSlotsTest, PoisonsWhatComesBackWhenAskedTo) {
  for (const bool poison : {false, true}) {
    StateSlots slots(SmallConfig(), 1, poison);
    State state = slots.Take(kAda);
    state->Zero();
    slots.GiveBack(kAda, std::move(state));
    state = slots.Take(kAda);
    for (const float value : state->floats()) ASSERT_EQ(std::isnan(value), poison);
  }
}

TEST(StateSlotsTest, DropsTheStateThatAParkedSequenceBroughtBesideTheSlotsOwn) {
  StateSlots slots(SmallConfig(), 1, /*poison=*/false);
  State parked = slots.Take(kAda);
  slots.Vacate(kAda);
  State own = slots.Take(kBob);
  const model::SequenceState* const kept = own.get();
  ASSERT_NE(kept, parked.get());
  slots.GiveBack(kBob, std::move(own));
  slots.Reoccupy(kAda);
  EXPECT_EQ(slots.free(), 0);
  slots.GiveBack(kAda, std::move(parked));
  // There was room for one.
  EXPECT_EQ(slots.Take(kAda).get(), kept);
}

}  // namespace
}  // namespace scanserve::runtime
