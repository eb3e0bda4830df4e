#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/ops/linear.h"
#include "gtest/gtest.h"
#include "tests/core/ops/kernel_test_data.h"

namespace scanserve::ops {
namespace {

using base::AlignedBuffer;
using base::ThreadPool;

struct Product {
  Product(int64_t n, int64_t k, bool with_bias = true)
      : shape{n, k}, weight(RandomFloats(n * k, 1)), bias(RandomFloats(n, 2)) {
    linear = MakePackedLinear(
        shape,
        [&](int64_t row, float* target) {
          std::copy(weight.data() + row * k, weight.data() + (row + 1) * k, target);
        },
        with_bias ? bias.data() : nullptr);
  }

  // What f32.k1 promises for one row, element by element.
  AlignedBuffer Chain(const float* x) const {
    AlignedBuffer y(static_cast<size_t>(shape.out_features));
    for (int64_t n = 0; n < shape.out_features; ++n) {
      float sum = 0;
      for (int64_t k = 0; k < shape.in_features; ++k) {
        sum = std::fma(x[k], weight.data()[n * shape.in_features + k], sum);
      }
      y.data()[n] = sum + bias.data()[n];
    }
    return y;
  }

  AlignedBuffer Run(const AlignedBuffer& x, int64_t rows, ThreadPool& pool) const {
    AlignedBuffer y(static_cast<size_t>(rows * shape.out_features));
    linear->Run({x.data(), shape.in_features, y.data(), shape.out_features, rows, false}, pool);
    return y;
  }

  LinearShape shape;
  AlignedBuffer weight;
  AlignedBuffer bias;
  std::unique_ptr<Linear> linear;
};

TEST(PackedLinearTest, MatchesAProductInDouble) {
  ThreadPool pool(2);
  for (const int64_t n : {1, 16, 48, 80, 97, 200}) {
    for (const int64_t k : {1, 7, 24, 512}) {
      const Product product(n, k);
      const int64_t rows = 13;
      const AlignedBuffer x = RandomFloats(rows * k, 3);
      const AlignedBuffer y = product.Run(x, rows, pool);
      for (int64_t i = 0; i < rows * n; ++i) {
        double sum = product.bias.data()[i % n];
        for (int64_t j = 0; j < k; ++j) {
          sum +=
              static_cast<double>(x.data()[i / n * k + j]) * product.weight.data()[i % n * k + j];
        }
        ASSERT_NEAR(y.data()[i], sum, 2e-6 * std::sqrt(k) * 4) << n << " x " << k << " at " << i;
      }
    }
  }
}

TEST(PackedLinearTest, IsOneChainOfFusedMultiplyAddsOnEveryTarget) {
  ThreadPool pool(2);
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (const int64_t n : {5, 48, 80, 97, 177}) {
      const Product product(n, 29);
      const int64_t rows = 14;
      const AlignedBuffer x = RandomFloats(rows * 29, 3);
      const AlignedBuffer y = product.Run(x, rows, pool);
      for (int64_t row = 0; row < rows; ++row) {
        EXPECT_TRUE(SameBits(y.data() + row * n, product.Chain(x.data() + row * 29).data(), n))
            << target << " n " << n << " row " << row;
      }
    }
  }
}

std::string NameOf(
    const testing::TestParamInfo<std::tuple<int64_t, int64_t, std::string_view>>& shape) {
  const auto [n, k, target] = shape.param;
  return absl::StrCat(n, "x", k, "_", std::string(target));
}

class PackedLinearInvarianceTest
    : public testing::TestWithParam<std::tuple<int64_t, int64_t, std::string_view>> {};

TEST_P(PackedLinearInvarianceTest, GivesARowItsBitsInAnyCompany) {
  const auto [n, k, target] = GetParam();
  const Product product(n, k);
  const AlignedBuffer row = RandomFloats(k, 4);
  ThreadPool one(1);
  ThreadPool two(2);
  // Alone, on the best target.
  const AlignedBuffer expected = product.Run(row, 1, one);
  const ScopedKernelTarget scoped(target);
  for (const int64_t rows :
       {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257, 512}) {
    if (target == "generic" && rows * n * k > 1'000'000) continue;
    for (const int64_t position : {int64_t{0}, rows / 2, rows - 1}) {
      AlignedBuffer x(static_cast<size_t>(rows * k));
      Poison(x.span());
      std::copy(row.span().begin(), row.span().end(), x.data() + position * k);
      for (ThreadPool* pool : {&one, &two}) {
        const AlignedBuffer y = product.Run(x, rows, *pool);
        ASSERT_TRUE(SameBits(y.data() + position * n, expected.data(), n))
            << "rows " << rows << " position " << position << " threads " << pool->threads();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PackedLinearInvarianceTest,
    testing::Combine(testing::Values(int64_t{80}, int64_t{48}, int64_t{97}, int64_t{4096}),
                     testing::Values(int64_t{16}, int64_t{24}, int64_t{7}, int64_t{512}),
                     testing::ValuesIn(SupportedKernelTargets())),
    NameOf);

TEST(PackedLinearTest, AddsTheFinishedProductWhenAccumulating) {
  ThreadPool pool(2);
  for (const int64_t n : {48, 97}) {
    const Product product(n, 24);
    const AlignedBuffer x = RandomFloats(9 * 24, 3);
    AlignedBuffer y = RandomFloats(9 * n, 5);
    const AlignedBuffer finished = product.Run(x, 9, pool);
    AlignedBuffer expected = Copy(y);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += finished.data()[i];
    product.linear->Run({x.data(), 24, y.data(), n, 9, /*accumulate=*/true}, pool);
    EXPECT_TRUE(SameBits(y, expected));
  }
}

TEST(PackedLinearTest, ReadsAndWritesOnlyItsColumnsOfWiderRows) {
  ThreadPool pool(2);
  constexpr int64_t kRows = 31;
  constexpr int64_t kIn = 24;
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (const int64_t n : {48, 97}) {
      const Product product(n, kIn);
      const AlignedBuffer x = RandomFloats(kRows * kIn, 3);
      const AlignedBuffer expected = product.Run(x, kRows, pool);
      AlignedBuffer wide_x(kRows * (kIn + 5));
      Poison(wide_x.span());
      AlignedBuffer wide_y(static_cast<size_t>(kRows * (n + 3)));
      std::fill(wide_y.span().begin(), wide_y.span().end(), 42.0F);
      for (int64_t row = 0; row < kRows; ++row) {
        std::copy_n(x.data() + row * kIn, kIn, wide_x.data() + row * (kIn + 5));
      }
      product.linear->Run({wide_x.data(), kIn + 5, wide_y.data(), n + 3, kRows, false}, pool);
      for (int64_t row = 0; row < kRows; ++row) {
        EXPECT_TRUE(SameBits(wide_y.data() + row * (n + 3), expected.data() + row * n, n));
        for (int64_t i = n; i < n + 3; ++i) EXPECT_EQ(wide_y.data()[row * (n + 3) + i], 42.0F);
      }
    }
  }
}

TEST(PackedLinearTest, WorksWithoutABias) {
  ThreadPool pool(1);
  const Product with(33, 7);
  const Product without(33, 7, /*with_bias=*/false);
  const AlignedBuffer zero(7);
  const AlignedBuffer y = without.Run(zero, 1, pool);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], 0.0F);
  EXPECT_TRUE(SameBits(with.Run(zero, 1, pool), with.bias));
}

TEST(PackedLinearTest, GivesBackTheRowsThatItRead) {
  for (const int64_t n : {1, 64, 65, 97, 250}) {
    const Product product(n, 24);
    AlignedBuffer row(24);
    for (int64_t i = 0; i < n; ++i) {
      product.linear->CopyWeightRow(i, row.data());
      EXPECT_TRUE(SameBits(row.data(), product.weight.data() + i * 24, 24)) << i;
    }
  }
}

TEST(PackedLinearTest, GivesBackTheBiasOrZeros) {
  const Product with(33, 7);
  const Product without(33, 7, /*with_bias=*/false);
  AlignedBuffer bias(33);
  with.linear->CopyBias(bias.data());
  EXPECT_TRUE(SameBits(bias, with.bias));
  without.linear->CopyBias(bias.data());
  EXPECT_TRUE(SameBits(bias, AlignedBuffer(bias.size())));
}

TEST(PackedLinearTest, ReadsEachRowOnceInOrder) {
  int64_t next = 0;
  MakePackedLinear(
      {97, 3}, [&](int64_t n, float*) { EXPECT_EQ(n, next++); }, nullptr);
  EXPECT_EQ(next, 97);
}

TEST(PackedLinearTest, TakesLittleMoreMemoryThanItsWeights) {
  const Product product(97, 512);
  EXPECT_GE(product.linear->weight_bytes(), 97 * 512 * 4);
  EXPECT_LE(product.linear->weight_bytes(), 112 * 513 * 4);
}

TEST(PackedLinearTest, LeavesTheOutputAloneWithoutRows) {
  ThreadPool pool(2);
  const Product product(48, 7);
  product.linear->Run({nullptr, 7, nullptr, 48, 0, false}, pool);
}

}  // namespace
}  // namespace scanserve::ops
