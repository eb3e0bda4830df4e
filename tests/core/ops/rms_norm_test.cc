#include "core/ops/rms_norm.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/core/ops/kernel_test_data.h"

namespace scanserve::ops {
namespace {

using base::AlignedBuffer;
using base::ThreadPool;

constexpr float kEpsilon = 1e-5F;

AlignedBuffer Norm(const AlignedBuffer& x, const AlignedBuffer& weight, ThreadPool& pool) {
  AlignedBuffer y(x.size());
  const auto channels = static_cast<int64_t>(weight.size());
  RmsNorm({x.data(), y.data(), weight.data(), static_cast<int64_t>(x.size()) / channels, channels,
           kEpsilon},
          pool);
  return y;
}

TEST(RmsNormTest, MatchesTheFormulaInDouble) {
  ThreadPool pool(2);
  for (const int64_t channels : {1, 7, 16, 24, 100, 768}) {
    for (const float scale : {1e-4F, 1.0F, 1e4F}) {
      const int64_t rows = 5;
      const AlignedBuffer x = RandomFloats(rows * channels, 1, scale);
      const AlignedBuffer weight = RandomFloats(channels, 2);
      const AlignedBuffer y = Norm(x, weight, pool);
      for (int64_t row = 0; row < rows; ++row) {
        const float* values = x.data() + row * channels;
        double squares = 0;
        for (int64_t c = 0; c < channels; ++c) squares += double{values[c]} * values[c];
        const double root = std::sqrt(squares / static_cast<double>(channels) + kEpsilon);
        for (int64_t c = 0; c < channels; ++c) {
          const double expected = values[c] / root * weight.data()[c];
          ASSERT_NEAR(y.data()[row * channels + c], expected, 1e-6 * std::abs(expected))
              << channels << " channels, row " << row << ", channel " << c;
        }
      }
    }
  }
}

TEST(RmsNormTest, GivesARowItsBitsInAnyCompanyAndOnEveryTarget) {
  ThreadPool one(1);
  ThreadPool two(2);
  for (const int64_t channels : {7, 16, 100, 768}) {
    const AlignedBuffer weight = RandomFloats(channels, 2);
    const AlignedBuffer row = RandomFloats(channels, 3);
    const AlignedBuffer expected = Norm(row, weight, one);
    for (const std::string_view target : SupportedKernelTargets()) {
      const ScopedKernelTarget scoped(target);
      for (const int64_t rows : {1, 2, 3, 17}) {
        for (const int64_t position : {int64_t{0}, rows / 2, rows - 1}) {
          AlignedBuffer x(static_cast<size_t>(rows * channels));
          Poison(x.span());
          std::copy(row.span().begin(), row.span().end(), x.data() + position * channels);
          for (ThreadPool* pool : {&one, &two}) {
            const AlignedBuffer y = Norm(x, weight, *pool);
            EXPECT_TRUE(SameBits(y.data() + position * channels, expected.data(), channels))
                << target << ", " << channels << " channels, row " << position << " of " << rows;
          }
        }
      }
    }
  }
}

TEST(RmsNormTest, WorksInPlace) {
  ThreadPool pool(2);
  AlignedBuffer x = RandomFloats(3 * 100, 1);
  const AlignedBuffer weight = RandomFloats(100, 2);
  const AlignedBuffer expected = Norm(x, weight, pool);
  RmsNorm({x.data(), x.data(), weight.data(), 3, 100, kEpsilon}, pool);
  EXPECT_TRUE(SameBits(x, expected));
}

}  // namespace
}  // namespace scanserve::ops
