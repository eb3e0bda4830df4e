#include "core/ops/conv1d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/ops/conv1d.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "core/ops/vector_math-inl.h"

#ifndef SCANSERVE_CORE_OPS_CONV1D_ONCE_
#define SCANSERVE_CORE_OPS_CONV1D_ONCE_
#include <algorithm>
#include <vector>

#include "core/base/check.h"
#include "core/ops/segment_tasks.h"
#include "hwy/cache_control.h"

namespace scanserve::ops {
namespace {

// One segment's channels of one group.
struct ConvGroup {
  int64_t rows;
  int64_t width;
  const float* weight;  // [width][16]
  const float* bias;    // [16], or null
  const float* x;
  int64_t x_stride;
  float* y;
  int64_t y_stride;
  float* state;  // [width - 1][16]
};

}  // namespace
}  // namespace scanserve::ops
#endif  // once

HWY_BEFORE_NAMESPACE();
namespace scanserve::ops {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE Vec BiasOf(const ConvGroup& group, int64_t lane) {
  return group.bias == nullptr ? hn::Zero(F32()) : hn::LoadU(F32(), group.bias + lane);
}

// Rows stand in different pages, where the processor does not look ahead.
inline constexpr int64_t kPrefetchRows = 16;

// The width of every published Mamba-1: the last inputs stay in registers.
void ConvWidth4(const ConvGroup& group, int64_t lane) {
  const F32 d;
  const Vec bias = BiasOf(group, lane);
  Vec weight[4];
  for (int k = 0; k < 4; ++k) weight[k] = hn::LoadU(d, group.weight + k * kChannelGroup + lane);
  float* state = group.state + lane;
  Vec x0 = hn::LoadU(d, state);
  Vec x1 = hn::LoadU(d, state + kChannelGroup);
  Vec x2 = hn::LoadU(d, state + 2 * kChannelGroup);
  const float* x = group.x + lane;
  float* y = group.y + lane;
  for (int64_t t = 0; t < group.rows; ++t, x += group.x_stride, y += group.y_stride) {
    hwy::Prefetch(x + kPrefetchRows * group.x_stride);
    const Vec x3 = hn::LoadU(d, x);
    Vec sum = Fma(weight[0], x0, bias);
    sum = Fma(weight[1], x1, sum);
    sum = Fma(weight[2], x2, sum);
    sum = Fma(weight[3], x3, sum);
    hn::StoreU(Silu(sum), d, y);
    x0 = x1;
    x1 = x2;
    x2 = x3;
  }
  hn::StoreU(x0, d, state);
  hn::StoreU(x1, d, state + kChannelGroup);
  hn::StoreU(x2, d, state + 2 * kChannelGroup);
}

void ConvAnyWidth(const ConvGroup& group, int64_t lane) {
  const F32 d;
  const int64_t past = group.width - 1;
  const Vec bias = BiasOf(group, lane);
  for (int64_t t = 0; t < group.rows; ++t) {
    Vec sum = bias;
    for (int64_t k = 0; k < group.width; ++k) {
      const int64_t row = t - past + k;
      const float* input =
          row < 0 ? group.state + (past + row) * kChannelGroup : group.x + row * group.x_stride;
      const Vec weight = hn::LoadU(d, group.weight + k * kChannelGroup + lane);
      sum = Fma(weight, hn::LoadU(d, input + lane), sum);
    }
    hn::StoreU(Silu(sum), d, group.y + t * group.y_stride + lane);
  }
}

void AdvanceState(const ConvGroup& group) {
  const int64_t past = group.width - 1;
  for (int64_t i = 0; i < past; ++i) {
    const int64_t row = group.rows - past + i;
    const float* input =
        row < 0 ? group.state + (past + row) * kChannelGroup : group.x + row * group.x_stride;
    std::copy(input, input + kChannelGroup, group.state + i * kChannelGroup);
  }
}

void RunConvGroup(const ConvGroup& group) {
  for (int64_t lane = 0; lane < kChannelGroup; lane += kLanes) {
    if (group.width == 4) {
      ConvWidth4(group, lane);
    } else {
      ConvAnyWidth(group, lane);
    }
  }
  if (group.width != 4) AdvanceState(group);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace scanserve::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanserve::ops {
namespace {
HWY_EXPORT(RunConvGroup);
}  // namespace

void RunConv1d(const Conv1dParams& params, absl::Span<const Conv1dSegment> segments,
               base::ThreadPool& pool) {
  SCANSERVE_CHECK(params.width >= 1 && params.channels % kChannelGroup == 0);
  std::vector<int64_t> rows;
  for (const Conv1dSegment& segment : segments) rows.push_back(segment.rows);
  ForEachSegmentGroup(rows, params.channels / kChannelGroup, pool, [&](int64_t s, int64_t group) {
    const Conv1dSegment& segment = segments[static_cast<size_t>(s)];
    const int64_t channel = group * kChannelGroup;
    HWY_DYNAMIC_DISPATCH(RunConvGroup)
    ({.rows = segment.rows,
      .width = params.width,
      .weight = params.weight + channel * params.width,
      .bias = params.bias == nullptr ? nullptr : params.bias + channel,
      .x = segment.x + channel,
      .x_stride = params.x_stride,
      .y = segment.y + channel,
      .y_stride = params.y_stride,
      .state = segment.state + channel * (params.width - 1)});
  });
}

void PackConv1dWeight(const float* weight, int64_t channels, int64_t width, int64_t padded_channels,
                      float* packed) {
  std::fill(packed, packed + padded_channels * width, 0.0F);
  for (int64_t c = 0; c < channels; ++c) {
    float* group = packed + c / kChannelGroup * kChannelGroup * width;
    for (int64_t k = 0; k < width; ++k) {
      group[k * kChannelGroup + c % kChannelGroup] = weight[c * width + k];
    }
  }
}

}  // namespace scanserve::ops
#endif  // HWY_ONCE
