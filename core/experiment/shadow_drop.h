// What becomes of work for a shadow that is not done.
#pragma once

#include <cstdint>

namespace scanserve::experiment {

// Why a text that was to be scored was not.
enum class ShadowDrop {
  kQueueFull,
  kUnscorable,  // its length, whatever the load: that does not count against the coverage
  kFailed,
};

struct DropCounts {
  int64_t queue_full = 0;
  int64_t unscorable = 0;
  int64_t failed = 0;

  void Count(ShadowDrop drop);
};

}  // namespace scanserve::experiment
