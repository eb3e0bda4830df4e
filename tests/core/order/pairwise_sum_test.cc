#include "core/order/pairwise_sum.h"

#include <gtest/gtest.h>

#include <vector>

namespace scanserve::order {
namespace {

// NumPy 1.24.2: (np.float32(1) / np.arange(1, n + 1).astype(np.float32)).sum(). Any other order of
// addition rounds at least one of these otherwise.
TEST(PairwiseSumTest, RoundsAsNumPyDoes) {
  const struct {
    size_t count;
    float sum;
  } cases[] = {{7, 0x1.4be2c0p+1F},   {8, 0x1.5be2c0p+1F},   {100, 0x1.4bfe02p+2F},
               {128, 0x1.5bb8b0p+2F}, {129, 0x1.5c37b4p+2F}, {203, 0x1.792500p+2F},
               {768, 0x1.ce2fa0p+2F}, {2560, 0x1.0d9b06p+3F}};
  for (const auto& [count, sum] : cases) {
    std::vector<float> values;
    for (size_t i = 1; i <= count; ++i) values.push_back(1.0F / static_cast<float>(i));
    EXPECT_EQ(PairwiseSum(values.data(), count), sum) << count;
  }
  EXPECT_EQ(PairwiseSum<double>(nullptr, 0), 0);
}

}  // namespace
}  // namespace scanserve::order
