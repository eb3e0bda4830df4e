// Depthwise causal convolution over time with carried state, followed by silu.
//
// y[t] = silu(bias + sum over k of weight[k] * x[t - (width - 1) + k]), per channel. x before the
// first row of a segment is its state: the width - 1 inputs that came before.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/base/thread_pool.h"
#include "core/ops/channel_group.h"

namespace scanserve::ops {

struct Conv1dParams {
  int64_t channels;     // multiple of kChannelGroup
  int64_t width;        // >= 1
  const float* weight;  // [channels / 16][width][16], the oldest input's weight first
  const float* bias;    // [channels], or null
  int64_t x_stride;     // floats between rows
  int64_t y_stride;
};

// Consecutive rows of one sequence.
struct Conv1dSegment {
  int64_t rows;
  const float* x;  // [rows, channels]
  float* y;        // [rows, channels]; must not overlap x
  float*
      state;  // [channels / 16][width - 1][16], oldest first; read, then advanced by `rows` inputs
};

// Runs all segments. However a sequence is cut into segments of successive calls, the outputs and
// the final state have the same bits. Segments of one call must have different states.
void RunConv1d(const Conv1dParams& params, absl::Span<const Conv1dSegment> segments,
               base::ThreadPool& pool);

// Rearranges weights [channels, width] as Conv1dParams::weight wants them. `packed` holds
// padded_channels * width floats; channels past `channels` get zeros.
void PackConv1dWeight(const float* weight, int64_t channels, int64_t width, int64_t padded_channels,
                      float* packed);

}  // namespace scanserve::ops
