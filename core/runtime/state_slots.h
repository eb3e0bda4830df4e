// The state slots: how many sequences may run at once, and the memory of their states.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/model/mamba.h"

namespace scanserve::runtime {

// Belongs to the engine's thread.
class StateSlots {
 public:
  // `poison` fills the states that come back with NaN: whoever reads a recycled one shows.
  StateSlots(const model::MambaConfig& config, int32_t total, bool poison);

  int32_t total() const { return total_; }
  int32_t used() const { return used_; }
  int32_t free() const { return total_ - used_; }

  // A state whose content is whatever it was before. There must be a free slot.
  std::unique_ptr<model::SequenceState> Take();
  void GiveBack(std::unique_ptr<model::SequenceState> state);

 private:
  const model::MambaConfig config_;
  const int32_t total_;
  const bool poison_;
  int32_t used_ = 0;
  // Made when first needed, kept for the next one.
  std::vector<std::unique_ptr<model::SequenceState>> unused_;
};

}  // namespace scanserve::runtime
