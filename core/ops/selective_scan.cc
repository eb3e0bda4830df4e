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

// One segment's channels of one group.
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

// Rows at a time. Softplus and gate are long chains of dependent operations, which only other rows'
// chains can overlap; what lies between the passes stays in the first-level cache. Rows stand in
// different pages, where the processor does not look ahead: the next block is asked for meanwhile.
inline constexpr int64_t kBlockRows = 16;
// States at a time, kept in registers while a block's rows pass.
inline constexpr int kBlockStates = 4;

struct Block {
  HWY_ALIGN float delta[kBlockRows * kLanes];
  HWY_ALIGN float delta_u[kBlockRows * kLanes];
  HWY_ALIGN float sum[kBlockRows * kLanes];
};

HWY_INLINE void StartBlock(const ScanGroup& group, int64_t lane, int64_t row, int64_t rows,
                           Block& block) {
  const F32 f;
  const SelectiveScanParams& params = *group.params;
  const Vec d = hn::LoadU(f, group.d + lane);
  const float* delta_row = group.segment.delta + row * params.delta_stride + lane;
  const float* u_row = group.segment.u + row * params.u_stride + lane;
  const float* z_row = group.segment.z + row * params.z_stride + lane;
  for (int64_t t = 0; t < rows; ++t) {
    hwy::Prefetch(z_row);
    hwy::Prefetch(delta_row + kBlockRows * params.delta_stride);
    hwy::Prefetch(u_row + kBlockRows * params.u_stride);
    const Vec delta = Softplus(hn::LoadU(f, delta_row));
    const Vec u = hn::LoadU(f, u_row);
    hn::Store(delta, f, block.delta + t * kLanes);
    hn::Store(hn::Mul(delta, u), f, block.delta_u + t * kLanes);
    hn::Store(hn::Mul(d, u), f, block.sum + t * kLanes);
    delta_row += params.delta_stride;
    u_row += params.u_stride;
    z_row += params.z_stride;
  }
}

// Advances states first .. first + kStates and adds C h of each to the sums, in ascending order.
template <int kStates>
HWY_INLINE void ScanStates(const ScanGroup& group, int64_t lane, int64_t first, int64_t row,
                           int64_t rows, Block& block) {
  const F32 f;
  const int64_t b_stride = group.params->b_stride;
  const int64_t c_stride = group.params->c_stride;
  const float* HWY_RESTRICT b = group.segment.b + row * b_stride + first;
  const float* HWY_RESTRICT c = group.segment.c + row * c_stride + first;
  const float* a_first = group.a + first * kChannelGroup + lane;
  float* h_first = group.segment.state + first * kChannelGroup + lane;
  Vec a[kStates];
  Vec h[kStates];
  for (int i = 0; i < kStates; ++i) {
    a[i] = hn::LoadU(f, a_first + i * kChannelGroup);
    h[i] = hn::LoadU(f, h_first + i * kChannelGroup);
  }
  for (int64_t t = 0; t < rows; ++t, b += b_stride, c += c_stride) {
    const Vec delta = hn::Load(f, block.delta + t * kLanes);
    const Vec delta_u = hn::Load(f, block.delta_u + t * kLanes);
    Vec sum = hn::Load(f, block.sum + t * kLanes);
    Vec decay[kStates];
    for (int i = 0; i < kStates; ++i) decay[i] = hn::Mul(delta, a[i]);
    Exp2Neg(decay);
    for (int i = 0; i < kStates; ++i) {
      h[i] = Fma(decay[i], h[i], hn::Mul(delta_u, Constant(b[i])));
    }
    for (int i = 0; i < kStates; ++i) sum = Fma(Constant(c[i]), h[i], sum);
    hn::Store(sum, f, block.sum + t * kLanes);
  }
  for (int i = 0; i < kStates; ++i) hn::StoreU(h[i], f, h_first + i * kChannelGroup);
}

HWY_INLINE void FinishBlock(const ScanGroup& group, int64_t lane, int64_t row, int64_t rows,
                            const Block& block) {
  const F32 f;
  const SelectiveScanSegment& segment = group.segment;
  const float* z_row = segment.z + row * group.params->z_stride + lane;
  float* y_row = segment.y + row * group.params->y_stride + lane;
  for (int64_t t = 0; t < rows; ++t) {
    const Vec sum = hn::Load(f, block.sum + t * kLanes);
    hn::StoreU(hn::Mul(sum, Silu(hn::LoadU(f, z_row))), f, y_row);
    z_row += group.params->z_stride;
    y_row += group.params->y_stride;
  }
}

void ScanVector(const ScanGroup& group, int64_t lane) {
  Block block;
  const int64_t states = group.params->state_size;
  for (int64_t row = 0; row < group.segment.rows; row += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, group.segment.rows - row);
    StartBlock(group, lane, row, rows, block);
    int64_t n = 0;
    for (; n + kBlockStates <= states; n += kBlockStates) {
      ScanStates<kBlockStates>(group, lane, n, row, rows, block);
    }
    for (; n < states; ++n) ScanStates<1>(group, lane, n, row, rows, block);
    FinishBlock(group, lane, row, rows, block);
  }
}

void ScanChannelGroup(const ScanGroup& group) {
  for (int64_t lane = 0; lane < kChannelGroup; lane += kLanes) ScanVector(group, lane);
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
