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

// 2^(whole + rest) for whole <= 0 and |rest| far below 1; zero below 2^-126. With rest = 0 the
// largest relative error is 2e-7.
HWY_INLINE Vec Exp2Parts(Vec whole, Vec rest) {
  // Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits.
  const Vec shifted = hn::Add(whole, Constant(12582912.0F));
  const Vec nearest = hn::Sub(shifted, Constant(12582912.0F));
  const Vec r = hn::Add(hn::Sub(whole, nearest), rest);
  // 2^r on [-1/2, 1/2]: 1 + r Q(r), Q minimax of degree 4.
  Vec p = Constant(0x1.5f48cep-10F);
  p = Fma(p, r, Constant(0x1.3cbf6ap-7F));
  p = Fma(p, r, Constant(0x1.c6aeecp-5F));
  p = Fma(p, r, Constant(0x1.ebfa4ap-3F));
  p = Fma(p, r, Constant(0x1.62e43p-1F));
  p = Fma(p, r, Constant(1.0F));
  const U32 bits;
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, shifted));
  const Vec power = hn::BitCast(F32(), hn::Add(hn::BitCast(bits, p), exponent));
  return hn::IfThenZeroElse(hn::Lt(whole, Constant(-126.0F)), power);
}

// 2^x for x <= 0.
HWY_INLINE Vec Exp2Neg(Vec x) { return Exp2Parts(x, hn::Zero(F32())); }

// e^x for x <= 0.
HWY_INLINE Vec ExpNeg(Vec x) {
  const Vec log2e = Constant(0x1.715476p+0F);
  const Vec log2e_rest = Constant(0x1.4ae0cp-26F);
  const Vec whole = hn::Mul(x, log2e);
  const Vec rounding = Fma(x, log2e, hn::Neg(whole));
  return Exp2Parts(whole, Fma(x, log2e_rest, rounding));
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
