#include "core/runtime/state_slots.h"

#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {

StateSlots::StateSlots(const model::MambaConfig& config, int32_t total, bool poison)
    : config_(config), total_(total), poison_(poison) {}

std::unique_ptr<model::SequenceState> StateSlots::Take() {
  SCANSERVE_CHECK(used_ < total_);
  ++used_;
  if (unused_.empty()) return std::make_unique<model::SequenceState>(config_);
  std::unique_ptr<model::SequenceState> state = std::move(unused_.back());
  unused_.pop_back();
  return state;
}

void StateSlots::GiveBack(std::unique_ptr<model::SequenceState> state) {
  SCANSERVE_CHECK(state != nullptr && used_ > 0);
  --used_;
  if (poison_) state->Poison();
  unused_.push_back(std::move(state));
}

}  // namespace scanserve::runtime
