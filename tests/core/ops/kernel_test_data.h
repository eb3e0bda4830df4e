// What the tests of the kernels share: reproducible values and comparison of bits.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "core/base/aligned_buffer.h"
#include "core/ops/kernel_target.h"

namespace scanserve::ops {

// Normal numbers times `scale` plus `shift`.
inline base::AlignedBuffer RandomFloats(int64_t size, unsigned seed, float scale = 1,
                                        float shift = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(shift, scale);
  base::AlignedBuffer values(static_cast<size_t>(size));
  for (float& value : values.span()) value = normal(generator);
  return values;
}

inline base::AlignedBuffer Copy(const base::AlignedBuffer& source) {
  base::AlignedBuffer copy(source.size());
  std::copy(source.span().begin(), source.span().end(), copy.data());
  return copy;
}

// NaN and both infinities in turn.
inline void Poison(absl::Span<float> values) {
  constexpr float kPoison[] = {std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity()};
  for (size_t i = 0; i < values.size(); ++i) values[i] = kPoison[i % 3];
}

inline bool SameBits(const float* a, const float* b, int64_t count) {
  return count == 0 || std::memcmp(a, b, static_cast<size_t>(count) * sizeof(float)) == 0;
}
inline bool SameBits(const base::AlignedBuffer& a, const base::AlignedBuffer& b) {
  return a.size() == b.size() && SameBits(a.data(), b.data(), static_cast<int64_t>(a.size()));
}

// Uses one kernel target as long as it lives.
class ScopedKernelTarget {
 public:
  explicit ScopedKernelTarget(std::string_view name) { SetKernelTargetForTesting(name); }
  ~ScopedKernelTarget() { SetKernelTargetForTesting(""); }
  ScopedKernelTarget(const ScopedKernelTarget&) = delete;
  ScopedKernelTarget& operator=(const ScopedKernelTarget&) = delete;
};

}  // namespace scanserve::ops
