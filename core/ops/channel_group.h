// The unit in which conv1d and the scan work through channels.
#pragma once

#include <cstdint>

namespace scanserve::ops {

// Channels of one group are neighbours in memory and lanes of the kernels' vectors: one cache line.
// Per-channel parameters and states are stored [channels / 16][..][16].
inline constexpr int64_t kChannelGroup = 16;

}  // namespace scanserve::ops
