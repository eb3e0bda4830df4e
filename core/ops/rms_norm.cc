#include "core/ops/rms_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/ops/rms_norm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "core/ops/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scanserve::ops {
namespace HWY_NAMESPACE {
namespace {

// Lane i sums the squares of channels i, i + 16, ..; then the lanes pairwise, as a tree.
float SumOfSquares(const float* x, int64_t channels) {
  const F32 d;
  Vec sums[kGroupVectors];
  for (int64_t v = 0; v < kGroupVectors; ++v) sums[v] = hn::Zero(d);
  const int64_t whole = channels / kChannelGroup * kChannelGroup;
  for (int64_t c = 0; c < whole; c += kChannelGroup) {
    for (int64_t v = 0; v < kGroupVectors; ++v) {
      const Vec value = hn::LoadU(d, x + c + v * kLanes);
      sums[v] = Fma(value, value, sums[v]);
    }
  }
  HWY_ALIGN float lanes[kChannelGroup];
  for (int64_t v = 0; v < kGroupVectors; ++v) hn::Store(sums[v], d, lanes + v * kLanes);
  for (int64_t c = whole; c < channels; ++c)
    lanes[c - whole] = std::fma(x[c], x[c], lanes[c - whole]);
  for (int64_t half = kChannelGroup / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

void NormRows(const RmsNormParams& params, int64_t begin, int64_t end) {
  const F32 d;
  const int64_t channels = params.channels;
  for (int64_t row = begin; row < end; ++row) {
    const float* x = params.x + row * channels;
    float* y = params.y + row * channels;
    const float mean = SumOfSquares(x, channels) / static_cast<float>(channels);
    const float scale = 1.0F / std::sqrt(mean + params.epsilon);
    const Vec scales = hn::Set(d, scale);
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      const Vec scaled = hn::Mul(hn::LoadU(d, x + c), scales);
      hn::StoreU(hn::Mul(scaled, hn::LoadU(d, params.weight + c)), d, y + c);
    }
    for (; c < channels; ++c) y[c] = x[c] * scale * params.weight[c];
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace scanserve::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanserve::ops {
namespace {
HWY_EXPORT(NormRows);

// Rows that are worth a range of their own.
constexpr int64_t kSmallestRange = 16;

}  // namespace

void RmsNorm(const RmsNormParams& params, base::ThreadPool& pool) {
  pool.ParallelFor(params.rows, kSmallestRange, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(NormRows)(params, begin, end);
  });
}

}  // namespace scanserve::ops
#endif  // HWY_ONCE
