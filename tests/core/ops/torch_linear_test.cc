#include "core/ops/torch_linear.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/core/ops/kernel_test_data.h"

namespace scanserve::ops {
namespace {

using base::AlignedBuffer;
using base::ThreadPool;

// LibTorch's product is the oracle of ours, and ours of its strides and biases.
TEST(TorchLinearTest, AgreesWithThePackedProduct) {
  ThreadPool pool(2);
  SetTorchThreads(2);
  for (const int64_t n : {1, 48, 80, 97, 4096}) {
    for (const int64_t k : {7, 16, 24, 512}) {
      const AlignedBuffer weight = RandomFloats(n * k, 1);
      const AlignedBuffer bias = RandomFloats(n, 2);
      const auto read = [&](int64_t row, float* target) {
        std::copy_n(weight.data() + row * k, k, target);
      };
      for (const float* maybe_bias : {bias.data(), static_cast<const float*>(nullptr)}) {
        const auto torch = MakeTorchLinear({n, k}, read, maybe_bias);
        const auto packed = MakePackedLinear({n, k}, read, maybe_bias);
        for (const int64_t rows : {1, 6, 33}) {
          const AlignedBuffer x = RandomFloats(rows * (k + 3), 3);
          for (const bool accumulate : {false, true}) {
            AlignedBuffer expected = RandomFloats(rows * (n + 2), 4);
            AlignedBuffer y = Copy(expected);
            torch->Run({x.data(), k + 3, expected.data(), n + 2, rows, accumulate}, pool);
            packed->Run({x.data(), k + 3, y.data(), n + 2, rows, accumulate}, pool);
            for (size_t i = 0; i < y.size(); ++i) {
              ASSERT_NEAR(y[i], expected[i], 1e-5 * std::sqrt(k))
                  << n << " x " << k << ", " << rows << " rows, at " << i;
            }
          }
        }
      }
    }
  }
}

TEST(TorchLinearTest, GivesBackTheRowsThatItRead) {
  const AlignedBuffer weight = RandomFloats(5 * 7, 1);
  const auto torch = MakeTorchLinear(
      {5, 7}, [&](int64_t n, float* row) { std::copy_n(weight.data() + n * 7, 7, row); }, nullptr);
  AlignedBuffer row(7);
  for (int64_t n = 0; n < 5; ++n) {
    torch->CopyWeightRow(n, row.data());
    EXPECT_TRUE(SameBits(row.data(), weight.data() + n * 7, 7));
  }
  EXPECT_EQ(torch->weight_bytes(), 5 * 7 * 4);
}

TEST(TorchLinearTest, GivesBackTheBiasOrZeros) {
  const AlignedBuffer bias = RandomFloats(5, 2);
  const auto read_ones = [](int64_t, float* row) { std::fill_n(row, 7, 1.0F); };
  AlignedBuffer read(5);
  MakeTorchLinear({5, 7}, read_ones, bias.data())->CopyBias(read.data());
  EXPECT_TRUE(SameBits(read, bias));
  MakeTorchLinear({5, 7}, read_ones, nullptr)->CopyBias(read.data());
  EXPECT_TRUE(SameBits(read, AlignedBuffer(5)));
}

}  // namespace
}  // namespace scanserve::ops
