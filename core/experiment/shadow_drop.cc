#include "core/experiment/shadow_drop.h"

namespace scanserve::experiment {

void DropCounts::Count(ShadowDrop drop) {
  switch (drop) {
    case ShadowDrop::kQueueFull:
      ++queue_full;
      return;
    case ShadowDrop::kUnscorable:
      ++unscorable;
      return;
    case ShadowDrop::kFailed:
      ++failed;
      return;
  }
}

}  // namespace scanserve::experiment
