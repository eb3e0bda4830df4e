// The selective scan of Mamba-1 (Gu and Dao 2023, arXiv:2312.00752, algorithm 2) with carried
// state, fused with what stands around it: softplus before, skip and gate after.
//
// Per channel c, row t and state n:
//   delta = softplus(dt[t][c])
//   h[n]  = exp(delta A[c][n]) h[n] + delta u[t][c] B[t][n]
//   y[t][c] = (D[c] u[t][c] + sum over n of C[t][n] h[n]) silu(z[t][c])
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/base/thread_pool.h"
#include "core/ops/channel_group.h"

namespace scanserve::ops {

// Strides are floats between rows.
struct SelectiveScanParams {
  int64_t channels;    // multiple of kChannelGroup
  int64_t state_size;  // N >= 1; multiples of 4 are the fast ones
  const float* a;      // [channels / 16][N][16], from PackScanA
  const float* d;      // [channels]
  int64_t delta_stride;
  int64_t u_stride;
  int64_t z_stride;
  int64_t b_stride;
  int64_t c_stride;
  int64_t y_stride;
};

// Consecutive rows of one sequence.
struct SelectiveScanSegment {
  int64_t rows;
  const float* delta;  // [rows, channels], before softplus, bias included
  const float* u;      // [rows, channels]
  const float* z;      // [rows, channels]
  const float* b;      // [rows, N]
  const float* c;      // [rows, N]
  float* y;            // [rows, channels]; may be delta, u or z, at the same stride
  float* state;        // [channels / 16][N][16]; read, then left as it is after the last row
};

// Runs all segments. However a sequence is cut into segments of successive calls, the outputs and
// the final state have the same bits. Segments of one call must have different states.
void RunSelectiveScan(const SelectiveScanParams& params,
                      absl::Span<const SelectiveScanSegment> segments, base::ThreadPool& pool);

// Packs -exp(a_log) log2(e), so that the kernel needs powers of two only. a_log: [channels, N].
// `packed` holds padded_channels * N floats; channels past `channels` get zeros.
void PackScanA(const float* a_log, int64_t channels, int64_t state_size, int64_t padded_channels,
               float* packed);

}  // namespace scanserve::ops
