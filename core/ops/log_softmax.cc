#include "core/ops/log_softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/ops/log_softmax.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "core/ops/vector_math-inl.h"

#ifndef SCANSERVE_CORE_OPS_LOG_SOFTMAX_ONCE_
#define SCANSERVE_CORE_OPS_LOG_SOFTMAX_ONCE_
#include <algorithm>
#include <limits>

#include "core/base/check.h"
#include "core/base/flush_denormals.h"
#endif  // once

HWY_BEFORE_NAMESPACE();
namespace scanserve::ops {
namespace HWY_NAMESPACE {
namespace {

float Largest(const float* logits, int64_t count) {
  const F32 d;
  Vec largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) largest = hn::Max(largest, hn::LoadU(d, logits + i));
  HWY_ALIGN float lanes[kChannelGroup];
  hn::Store(largest, d, lanes);
  float result = lanes[0];
  for (int64_t lane = 1; lane < kLanes; ++lane) result = std::max(result, lanes[lane]);
  for (; i < count; ++i) result = std::max(result, logits[i]);
  return result;
}

// sums[i] += values[i] for the 16 lanes.
void AddLanes(const float* values, double* sums) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, hn::ScalableTag<double>> narrow;
  constexpr int64_t kWideLanes = static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<double>()));
  for (int64_t i = 0; i < kChannelGroup; i += kWideLanes) {
    const auto promoted = hn::PromoteTo(wide, hn::LoadU(narrow, values + i));
    hn::Store(hn::Add(hn::Load(wide, sums + i), promoted), wide, sums + i);
  }
}

// sums[i] += e^(logits[i] - largest) for the 16 lanes.
void AddExponentials(const float* logits, float largest, double* sums) {
  const F32 d;
  HWY_ALIGN float powers[kChannelGroup];
  for (int64_t v = 0; v < kGroupVectors; ++v) {
    const Vec below = hn::Sub(hn::LoadU(d, logits + v * kLanes), hn::Set(d, largest));
    hn::Store(ExpNeg(below), d, powers + v * kLanes);
  }
  AddLanes(powers, sums);
}

double SumOfLanes(const double* sums) {
  double sum = 0;
  for (int64_t lane = 0; lane < kChannelGroup; ++lane) sum += sums[lane];
  return sum;
}

// Lane i sums the classes i, i + 16, ..; then the lanes in order.
double SumOfExponentials(const float* logits, int64_t count, float largest) {
  HWY_ALIGN double sums[kChannelGroup] = {};
  const int64_t whole = count / kChannelGroup * kChannelGroup;
  for (int64_t i = 0; i < whole; i += kChannelGroup) AddExponentials(logits + i, largest, sums);
  if (whole < count) {
    float rest[kChannelGroup];
    std::fill(std::copy(logits + whole, logits + count, rest), rest + kChannelGroup,
              -std::numeric_limits<float>::infinity());
    AddExponentials(rest, largest, sums);
  }
  return SumOfLanes(sums);
}

// 16 weights; see SoftmaxWeights.
void Weigh(const float* logits, float largest, float temperature, float* weights) {
  const F32 d;
  for (int64_t v = 0; v < kGroupVectors; ++v) {
    const Vec below = hn::Sub(hn::LoadU(d, logits + v * kLanes), hn::Set(d, largest));
    // ExpNeg is zero from here on down, and has no meaning where rounding errors are large.
    const Vec exponent = hn::Max(hn::Div(below, hn::Set(d, temperature)), hn::Set(d, -200.0F));
    hn::StoreU(ExpNeg(exponent), d, weights + v * kLanes);
  }
}

double WeighAll(const float* logits, int64_t count, float largest, float temperature,
                float* weights) {
  HWY_ALIGN double sums[kChannelGroup] = {};
  const int64_t whole = count / kChannelGroup * kChannelGroup;
  for (int64_t i = 0; i < whole; i += kChannelGroup) {
    Weigh(logits + i, largest, temperature, weights + i);
    AddLanes(weights + i, sums);
  }
  if (whole < count) {
    float rest[kChannelGroup];
    std::fill(std::copy(logits + whole, logits + count, rest), rest + kChannelGroup,
              -std::numeric_limits<float>::infinity());
    Weigh(rest, largest, temperature, rest);
    AddLanes(rest, sums);
    std::copy(rest, rest + (count - whole), weights + whole);
  }
  return SumOfLanes(sums);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace scanserve::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanserve::ops {
namespace {
HWY_EXPORT(Largest);
HWY_EXPORT(SumOfExponentials);
HWY_EXPORT(WeighAll);
}  // namespace

double LogSumExp(absl::Span<const float> logits) {
  SCANSERVE_CHECK(!logits.empty());
  const base::ScopedFlushDenormals flush_denormals;
  const int64_t count = static_cast<int64_t>(logits.size());
  const float largest = HWY_DYNAMIC_DISPATCH(Largest)(logits.data(), count);
  // Nothing to subtract from infinities: every class excluded, or one infinitely likely.
  if (largest == -std::numeric_limits<float>::infinity()) {
    for (const float logit : logits) {
      if (std::isnan(logit)) return std::numeric_limits<double>::quiet_NaN();
    }
    return largest;
  }
  return largest + std::log(HWY_DYNAMIC_DISPATCH(SumOfExponentials)(logits.data(), count, largest));
}

double SoftmaxWeights(absl::Span<const float> logits, float largest, float temperature,
                      absl::Span<float> weights) {
  SCANSERVE_CHECK(weights.size() == logits.size());
  const base::ScopedFlushDenormals flush_denormals;
  // A denormal one would be flushed to zero.
  temperature = std::max(temperature, std::numeric_limits<float>::min());
  return HWY_DYNAMIC_DISPATCH(WeighAll)(logits.data(), static_cast<int64_t>(logits.size()), largest,
                                        temperature, weights.data());
}

}  // namespace scanserve::ops
#endif  // HWY_ONCE
