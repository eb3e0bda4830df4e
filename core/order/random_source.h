// A small generator of random numbers (SplitMix64): the same numbers for a seed on every machine.
#pragma once

#include <cstdint>

namespace scanserve::order {

// Belongs to one thread.
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t mixed = state_ += 0x9E3779B97F4A7C15;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
  }

  // From 0 to below `limit`, which is positive.
  int32_t Below(int32_t limit) {
    return static_cast<int32_t>(((Next() >> 32) * static_cast<uint64_t>(limit)) >> 32);
  }

  // From 0 to below 1.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

}  // namespace scanserve::order
