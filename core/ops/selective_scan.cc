#include "core/ops/selective_scan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/ops/selective_scan.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "core/ops/vector_math-inl.h"

#ifndef SCANSERVE_CORE_OPS_SELECTIVE_SCAN_ONCE_
#define SCANSERVE_CORE_OPS_SELECTIVE_SCAN_ONCE_
#include <algorithm>
#include <vector>

#include "core/base/check.h"
#include "core/ops/segment_tasks.h"
#include "hwy/cache_control.h"

namespace scanserve::ops {
namespace {

// One segment's channels of one group, or of one vector of it.
struct ScanGroup {
  SelectiveScanSegment segment;
  const SelectiveScanParams* params;
  const float* a;  // [N][16]
  const float* d;  // [16]
};

}  // namespace
}  // namespace scanserve::ops
#endif  // once

HWY_BEFORE_NAMESPACE();
namespace scanserve::ops {
namespace HWY_NAMESPACE {
namespace {

inline constexpr int64_t kFastStates = 16;
// Rows ahead of which the next cache lines are asked for: rows lie in different pages, where the
// processor does not look ahead by itself.
inline constexpr int64_t kPrefetchRows = 8;

// What one row does to one state of each lane; returns the sum extended by C h.
HWY_INLINE Vec StepState(Vec delta, Vec delta_u, Vec a, float b, float c, Vec& h, Vec sum) {
  const Vec decay = Exp2Neg(hn::Mul(delta, a));
  h = Fma(decay, h, hn::Mul(delta_u, Constant(b)));
  return Fma(Constant(c), h, sum);
}

// The states of one vector of channels: in registers where their number is known, else in memory.
template <bool kFast>
void ScanVector(const ScanGroup& group, int64_t lane) {
  const F32 f;
  const SelectiveScanParams& params = *group.params;
  const SelectiveScanSegment& segment = group.segment;
  const int64_t states = kFast ? kFastStates : params.state_size;
  const float* HWY_RESTRICT a = group.a + lane;
  float* HWY_RESTRICT state = segment.state + lane;
  const Vec d = hn::LoadU(f, group.d + lane);
  Vec h[kFastStates];
  if constexpr (kFast) {
    for (int64_t n = 0; n < kFastStates; ++n) h[n] = hn::LoadU(f, state + n * kChannelGroup);
  }
  const float* delta_row = segment.delta + lane;
  const float* u_row = segment.u + lane;
  const float* z_row = segment.z + lane;
  const float* HWY_RESTRICT b = segment.b;
  const float* HWY_RESTRICT c = segment.c;
  float* y_row = segment.y + lane;
  for (int64_t t = 0; t < segment.rows; ++t) {
    hwy::Prefetch(delta_row + kPrefetchRows * params.delta_stride);
    hwy::Prefetch(u_row + kPrefetchRows * params.u_stride);
    hwy::Prefetch(z_row + kPrefetchRows * params.z_stride);
    const Vec delta = Softplus(hn::LoadU(f, delta_row));
    const Vec u = hn::LoadU(f, u_row);
    const Vec delta_u = hn::Mul(delta, u);
    Vec sum = hn::Mul(d, u);
    if constexpr (kFast) {
      for (int64_t n = 0; n < kFastStates; ++n) {
        sum = StepState(delta, delta_u, hn::LoadU(f, a + n * kChannelGroup), b[n], c[n], h[n], sum);
      }
    } else {
      for (int64_t n = 0; n < states; ++n) {
        Vec memory_h = hn::LoadU(f, state + n * kChannelGroup);
        sum = StepState(delta, delta_u, hn::LoadU(f, a + n * kChannelGroup), b[n], c[n], memory_h,
                        sum);
        hn::StoreU(memory_h, f, state + n * kChannelGroup);
      }
    }
    hn::StoreU(hn::Mul(sum, Silu(hn::LoadU(f, z_row))), f, y_row);
    delta_row += params.delta_stride;
    u_row += params.u_stride;
    z_row += params.z_stride;
    b += params.b_stride;
    c += params.c_stride;
    y_row += params.y_stride;
  }
  if constexpr (kFast) {
    for (int64_t n = 0; n < kFastStates; ++n) hn::StoreU(h[n], f, state + n * kChannelGroup);
  }
}

void ScanChannelGroup(const ScanGroup& group) {
  for (int64_t lane = 0; lane < kChannelGroup; lane += kLanes) {
    if (group.params->state_size == kFastStates) {
      ScanVector<true>(group, lane);
    } else {
      ScanVector<false>(group, lane);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace scanserve::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanserve::ops {
namespace {

HWY_EXPORT(ScanChannelGroup);

constexpr double kLog2E = 1.4426950408889634;

}  // namespace

void RunSelectiveScan(const SelectiveScanParams& params,
                      absl::Span<const SelectiveScanSegment> segments, base::ThreadPool& pool) {
  SCANSERVE_CHECK(params.state_size >= 1 && params.channels % kChannelGroup == 0);
  std::vector<int64_t> rows;
  for (const SelectiveScanSegment& segment : segments) rows.push_back(segment.rows);
  ForEachSegmentGroup(rows, params.channels / kChannelGroup, pool, [&](int64_t s, int64_t group) {
    const int64_t channel = group * kChannelGroup;
    SelectiveScanSegment part = segments[static_cast<size_t>(s)];
    part.delta += channel;
    part.u += channel;
    part.z += channel;
    part.y += channel;
    part.state += channel * params.state_size;
    HWY_DYNAMIC_DISPATCH(ScanChannelGroup)
    ({part, &params, params.a + channel * params.state_size, params.d + channel});
  });
}

void PackScanA(const float* a_log, int64_t channels, int64_t state_size, int64_t padded_channels,
               float* packed) {
  std::fill(packed, packed + padded_channels * state_size, 0.0F);
  for (int64_t c = 0; c < channels; ++c) {
    float* group = packed + c / kChannelGroup * kChannelGroup * state_size;
    for (int64_t n = 0; n < state_size; ++n) {
      const double a = -std::exp(static_cast<double>(a_log[c * state_size + n]));
      group[n * kChannelGroup + c % kChannelGroup] = static_cast<float>(a * kLog2E);
    }
  }
}

}  // namespace scanserve::ops
#endif  // HWY_ONCE
