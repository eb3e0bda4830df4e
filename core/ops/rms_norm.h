// Root mean square norm (Zhang and Sennrich 2019, arXiv:1910.07467) of each row.
#pragma once

#include <cstdint>

#include "core/base/thread_pool.h"

namespace scanserve::ops {

// y = x / sqrt(mean(x^2) + epsilon) * weight, the mean over a row's channels.
struct RmsNormParams {
  const float* x;       // [rows, channels], contiguous
  float* y;             // [rows, channels], contiguous; may be x
  const float* weight;  // [channels]
  int64_t rows;
  int64_t channels;  // any number >= 1
  float epsilon;
};

// A row's bits depend on that row alone: its sum is always the same tree over 16 lanes.
void RmsNorm(const RmsNormParams& params, base::ThreadPool& pool);

}  // namespace scanserve::ops
