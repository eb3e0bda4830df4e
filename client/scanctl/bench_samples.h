// Times that were measured, and what is said of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/scanctl/bench_random.h"

namespace scanserve::client {

// In the unit of the samples; all 0 when there are none.
struct BenchSummary {
  int64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double max = 0;
};

// Keeps every sample up to a bound on memory. Past it the samples kept are a uniform random choice
// of all (Vitter's algorithm R), so that quantiles become estimates; count, mean and maximum stay
// exact. Belongs to one thread.
class BenchSamples {
 public:
  // 32 MiB.
  static constexpr size_t kDefaultCapacity = size_t{1} << 22U;

  explicit BenchSamples(size_t capacity = kDefaultCapacity) : capacity_(capacity) {}

  void Add(double value);
  // Quantiles as numpy.quantile's default: linear between the two nearest samples in order.
  BenchSummary Summarize() const;

 private:
  const size_t capacity_;
  std::vector<double> kept_;
  int64_t count_ = 0;
  double sum_ = 0;
  double max_ = 0;
  BenchRandom random_{0};
};

}  // namespace scanserve::client
