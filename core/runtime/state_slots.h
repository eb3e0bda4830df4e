// The state slots: how many sequences may run at once, who holds them, and the memory of their
// states.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/model/mamba.h"
#include "core/runtime/request.h"

namespace scanserve::runtime {

// Whose slots count together.
struct SlotHolder {
  std::string caller;
  Priority priority = Priority::kNormal;
};

// Belongs to the engine's thread.
class StateSlots {
 public:
  // `poison` fills the states that come back with NaN: whoever reads a recycled one shows.
  StateSlots(const model::MambaConfig& config, int32_t total, bool poison);

  int32_t total() const { return total_; }
  int32_t used() const { return used_; }
  int32_t free() const { return total_ - used_; }
  int32_t held_by(const std::string& caller) const;
  int32_t held_at_low_priority() const { return low_; }

  // A state whose content is whatever it was before. There must be a free slot.
  std::unique_ptr<model::SequenceState> Take(const SlotHolder& holder);
  void GiveBack(const SlotHolder& holder, std::unique_ptr<model::SequenceState> state);

  // A sequence leaves its slot to others and keeps its state, which then counts nowhere here.
  void Vacate(const SlotHolder& holder) { Count(holder, -1); }
  // It is back, with its state. There must be a free slot.
  void Reoccupy(const SlotHolder& holder) { Count(holder, 1); }

 private:
  void Count(const SlotHolder& holder, int32_t slots);

  const model::MambaConfig config_;
  const int32_t total_;
  const bool poison_;
  int32_t used_ = 0;
  int32_t low_ = 0;
  std::unordered_map<std::string, int32_t> by_caller_;
  // Made when first needed, kept for the next one; with the used ones never more than `total_`.
  std::vector<std::unique_ptr<model::SequenceState>> unused_;
};

}  // namespace scanserve::runtime
