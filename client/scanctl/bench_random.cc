#include "client/scanctl/bench_random.h"

#include <algorithm>
#include <cmath>

namespace scanserve::client {

BenchRandom::BenchRandom(uint64_t seed, uint64_t stream)
    : state_(BenchRandom(seed).Next() ^ BenchRandom(~stream).Next()) {}

uint64_t BenchRandom::Next() {
  state_ += 0x9E3779B97F4A7C15U;
  uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

double BenchRandom::Uniform() { return static_cast<double>(Next() >> 11U) * 0x1.0p-53; }

int64_t BenchRandom::Between(int64_t low, int64_t high) {
  const double width = static_cast<double>(high - low) + 1;
  return std::min(high, low + static_cast<int64_t>(Uniform() * width));
}

double BenchRandom::Normal(double mean, double deviation) {
  // Box and Muller; 1 - u is never 0.
  const double radius = std::sqrt(-2 * std::log1p(-Uniform()));
  return mean + deviation * radius * std::cos(2 * M_PI * Uniform());
}

double BenchRandom::Exponential(double mean) { return -mean * std::log1p(-Uniform()); }

}  // namespace scanserve::client
