#include "core/runtime/state_slots.h"

#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {

StateSlots::StateSlots(const model::MambaConfig& config, int32_t total, bool poison)
    : config_(config), total_(total), poison_(poison) {}

int32_t StateSlots::held_by(const std::string& caller) const {
  const auto found = by_caller_.find(caller);
  return found == by_caller_.end() ? 0 : found->second;
}

void StateSlots::Count(const SlotHolder& holder, int32_t slots) {
  used_ += slots;
  SCANSERVE_CHECK(used_ >= 0 && used_ <= total_);
  if (holder.priority == Priority::kLow) low_ += slots;
  // Callers come and go: who holds nothing is forgotten.
  int32_t& held = by_caller_[holder.caller];
  held += slots;
  if (held == 0) by_caller_.erase(holder.caller);
}

std::unique_ptr<model::SequenceState> StateSlots::Take(const SlotHolder& holder) {
  Count(holder, 1);
  if (unused_.empty()) return std::make_unique<model::SequenceState>(config_);
  std::unique_ptr<model::SequenceState> state = std::move(unused_.back());
  unused_.pop_back();
  return state;
}

void StateSlots::GiveBack(const SlotHolder& holder, std::unique_ptr<model::SequenceState> state) {
  SCANSERVE_CHECK(state != nullptr);
  Count(holder, -1);
  // One that came back into a slot whose own state stayed here is one too many.
  if (static_cast<int32_t>(unused_.size()) >= free()) return;
  if (poison_) state->Poison();
  unused_.push_back(std::move(state));
}

}  // namespace scanserve::runtime
