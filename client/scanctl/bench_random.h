// Numbers drawn for a load test: the same seed and stream give the same numbers on every machine,
// which the standard library's distributions do not promise.
#pragma once

#include <cstdint>

namespace scanserve::client {

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
// Belongs to one thread.
class BenchRandom {
 public:
  explicit BenchRandom(uint64_t seed) : state_(seed) {}
  // A generator of its own for each `stream`, e.g. the index of a request.
  BenchRandom(uint64_t seed, uint64_t stream);

  uint64_t Next();
  // In [0, 1), in steps of 2^-53.
  double Uniform();
  // In [low, high], each alike; low <= high.
  int64_t Between(int64_t low, int64_t high);
  double Normal(double mean, double deviation);
  double Exponential(double mean);

 private:
  uint64_t state_;
};

}  // namespace scanserve::client
