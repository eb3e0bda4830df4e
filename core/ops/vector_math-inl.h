// Elementary functions of the kernels, once for each instruction set and with the same bits on all.
//
// All are built from operations that IEEE 754 rounds exactly (add, subtract, multiply, divide,
// fused multiply-add) in one fixed order. They assume that denormals are flushed.

#if defined(SCANSERVE_CORE_OPS_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCANSERVE_CORE_OPS_VECTOR_MATH_INL_H_
#undef SCANSERVE_CORE_OPS_VECTOR_MATH_INL_H_
#else
#define SCANSERVE_CORE_OPS_VECTOR_MATH_INL_H_
#endif

#include <cmath>
#include <cstdint>

#include "core/ops/channel_group.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace scanserve::ops {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using U32 = hn::RebindToUnsigned<F32>;
using Vec = hn::VFromD<F32>;

inline constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(F32()));
// Vectors of one channel group.
inline constexpr int64_t kGroupVectors = kChannelGroup / kLanes;

HWY_INLINE Vec Constant(float value) { return hn::Set(F32(), value); }

// a * b + c with one rounding.
HWY_INLINE Vec Fma(Vec a, Vec b, Vec c) {
#if HWY_TARGET == HWY_SCALAR
  return Vec(std::fma(a.raw, b.raw, c.raw));
#else
  return hn::MulAdd(a, b, c);
#endif
}

// x = whole + fraction with |fraction| <= 1/2, both exact, for x <= 0.
struct Split {
  Vec whole;
  Vec fraction;
};
HWY_INLINE Split SplitNearest(Vec x) {
#if HWY_TARGET == HWY_AVX3
  const Vec fraction{_mm512_reduce_ps(x.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  return {hn::Sub(x, fraction), fraction};
#else
  // At 1.5 * 2^23 the last mantissa bit is one.
  const Vec shift = Constant(0x1.8p23F);
  const Vec whole = hn::Sub(hn::Add(x, shift), shift);
  return {whole, hn::Sub(x, whole)};
#endif
}

// power * 2^whole for power near 1, or zero where that is below 2^-126.
HWY_INLINE Vec Scale(Vec power, Vec whole) {
#if HWY_TARGET == HWY_AVX3
  return Vec{_mm512_scalef_ps(power.raw, whole.raw)};
#else
  const U32 bits;
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, hn::Add(whole, Constant(0x1.8p23F))));
  const Vec scaled = hn::BitCast(F32(), hn::Add(hn::BitCast(bits, power), exponent));
  return hn::IfThenZeroElse(hn::Lt(whole, Constant(-126.0F)), scaled);
#endif
}

// 2^r for |r| <= 1/2 as 1 + r Q(r), Q minimax of degree 4. The largest relative error is 2e-7.
// Takes several at once, term by term: processors look too few operations ahead to overlap the
// chains by themselves.
template <int kCount>
HWY_INLINE void Exp2Fractions(const Split (&splits)[kCount], Vec (&powers)[kCount]) {
  constexpr float kCoefficients[] = {0x1.5f48cep-10F, 0x1.3cbf6ap-7F, 0x1.c6aeecp-5F,
                                     0x1.ebfa4ap-3F,  0x1.62e43p-1F,  1.0F};
  for (int i = 0; i < kCount; ++i) powers[i] = Constant(kCoefficients[0]);
  for (int term = 1; term < 6; ++term) {
    const Vec coefficient = Constant(kCoefficients[term]);
    for (int i = 0; i < kCount; ++i) powers[i] = Fma(powers[i], splits[i].fraction, coefficient);
  }
}

// x[i] = 2^x[i] for x[i] <= 0; zero below 2^-126.
template <int kCount>
HWY_INLINE void Exp2Neg(Vec (&x)[kCount]) {
  Split splits[kCount];
  for (int i = 0; i < kCount; ++i) splits[i] = SplitNearest(x[i]);
  Exp2Fractions(splits, x);
  for (int i = 0; i < kCount; ++i) x[i] = Scale(x[i], splits[i].whole);
}

// e^x for x <= 0; zero below 2^-126.
HWY_INLINE Vec ExpNeg(Vec x) {
  const Vec log2e = Constant(0x1.715476p+0F);
  const Vec log2e_rest = Constant(0x1.4ae0cp-26F);
  const Vec scaled = hn::Mul(x, log2e);
  const Vec rounding = Fma(x, log2e, hn::Neg(scaled));
  Split split[] = {SplitNearest(scaled)};
  split[0].fraction = hn::Add(split[0].fraction, Fma(x, log2e_rest, rounding));
  Vec power[1];
  Exp2Fractions(split, power);
  return Scale(power[0], split[0].whole);
}

// x / (1 + e^-x).
HWY_INLINE Vec Silu(Vec x) {
  const Vec one = Constant(1.0F);
  const Vec e = ExpNeg(hn::Neg(hn::Abs(x)));
  const Vec numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(F32())), hn::Mul(x, e), x);
  return hn::Div(numerator, hn::Add(one, e));
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|). From x = 17 on this is x itself.
HWY_INLINE Vec Softplus(Vec x) {
  const Vec e = ExpNeg(hn::Neg(hn::Abs(x)));
  // ln(1 + e) = 2 atanh(s), s = e / (2 + e) <= 1/3: 2 s + s w Q(w), w = s^2, Q minimax of degree 4.
  const Vec s = hn::Div(e, hn::Add(Constant(2.0F), e));
  const Vec w = hn::Mul(s, s);
  Vec q = Constant(0x1.dc572p-3F);
  q = Fma(q, w, Constant(0x1.bc641cp-3F));
  q = Fma(q, w, Constant(0x1.24ca9ep-2F));
  q = Fma(q, w, Constant(0x1.9998ccp-2F));
  q = Fma(q, w, Constant(0x1.555556p-1F));
  const Vec log1p = Fma(hn::Mul(s, w), q, hn::Add(s, s));
  // Not max, which loses a NaN on some targets.
  return hn::Add(hn::IfThenZeroElse(hn::Lt(x, hn::Zero(F32())), x), log1p);
}

}  // namespace HWY_NAMESPACE
}  // namespace scanserve::ops
HWY_AFTER_NAMESPACE();

#endif  // include guard, once for each target
