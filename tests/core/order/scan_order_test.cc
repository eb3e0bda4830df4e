#include "core/order/scan_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "core/base/npy.h"

namespace scanserve::order {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const ScanOrder> Order(const std::vector<int64_t>& pi) {
  return ScanOrder::FromEntries(pi).value();
}

TEST(ScanOrderTest, DropsEntriesPastAShortPrompt) {
  const auto order = Order({4, 1, 3, 0, 2});
  EXPECT_THAT(EffectiveOrder(order.get(), 3, Readout::kNaturalLast), ElementsAre(1, 0, 2));
  EXPECT_THAT(EffectiveOrder(order.get(), 1, Readout::kNaturalLast), ElementsAre(0));
}

TEST(ScanOrderTest, FitsAPromptOfItsOwnLengthAsItIs) {
  const auto order = Order({4, 1, 3, 0, 2});
  EXPECT_THAT(EffectiveOrder(order.get(), 5, Readout::kNaturalLast), ElementsAre(4, 1, 3, 0, 2));
}

TEST(ScanOrderTest, LetsPositionsPastTheOrderFollowNaturally) {
  const auto order = Order({2, 0, 1});
  EXPECT_THAT(EffectiveOrder(order.get(), 6, Readout::kNaturalLast), ElementsAre(2, 0, 1, 3, 4, 5));
}

TEST(ScanOrderTest, AShortPromptUnderALongOrderTakesItsPositionsInTheOrdersSequence) {
  std::vector<int64_t> pi(1'000);
  for (size_t k = 0; k < pi.size(); ++k) pi[k] = static_cast<int64_t>(k * 7 + 3) % 1'000;
  const auto order = Order(pi);
  for (const int64_t length : {1, 2, 61, 62, 63, 64, 500, 1'000}) {
    std::vector<int32_t> filtered;
    for (const int64_t position : pi) {
      if (position < length) filtered.push_back(static_cast<int32_t>(position));
    }
    EXPECT_EQ(EffectiveOrder(order.get(), length, Readout::kNaturalLast), filtered) << length;
  }
}

TEST(ScanOrderTest, PinLastMovesTheLastPositionToTheEndAndKeepsTheOthersInPlace) {
  const auto order = Order({4, 1, 3, 0, 2});
  EXPECT_THAT(EffectiveOrder(order.get(), 5, Readout::kPinLast), ElementsAre(1, 3, 0, 2, 4));
  EXPECT_THAT(EffectiveOrder(order.get(), 4, Readout::kPinLast), ElementsAre(1, 0, 2, 3));
  EXPECT_THAT(EffectiveOrder(order.get(), 7, Readout::kPinLast), ElementsAre(4, 1, 3, 0, 2, 5, 6));
}

TEST(ScanOrderTest, IdentityIsNaturalOrderUnderEitherReadout) {
  EXPECT_THAT(EffectiveOrder(nullptr, 4, Readout::kNaturalLast), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(EffectiveOrder(nullptr, 4, Readout::kPinLast), ElementsAre(0, 1, 2, 3));
}

TEST(ScanOrderTest, InverseUndoesThePermutation) {
  EXPECT_THAT(Inverse(std::vector<int32_t>{4, 1, 3, 0, 2}), ElementsAre(3, 1, 4, 2, 0));
}

// python3 -c "import hashlib,struct; print(hashlib.sha256(b'scanserve.order.v1\0' +
//   struct.pack('<Q5q', 5, 4, 1, 3, 0, 2)).hexdigest())"
TEST(ScanOrderTest, DigestIsThatOfTheCanonicalContent) {
  EXPECT_EQ(Order({4, 1, 3, 0, 2})->digest(),
            "8cfdf83d75ef4308711cc461cdd09d5f2e09e9e3f6861b2ef2cb4a8fa5048366");
  EXPECT_EQ(DigestOf(nullptr), "");
}

TEST(ScanOrderTest, DigestDoesNotDependOnTheIntegerTypeOfTheFile) {
  std::string narrow = base::FormatNpyHeader("|u1", "(3,)");
  narrow.append({2, 0, 1});
  EXPECT_EQ(ScanOrder::FromNpy(narrow).value()->digest(), Order({2, 0, 1})->digest());
}

TEST(ScanOrderTest, NamesTheFirstEntryThatIsNoPosition) {
  EXPECT_THAT(ScanOrder::FromEntries({0, 1, 4, -1}).status().message(),
              HasSubstr("entry 2 is 4, expected 0 to 3"));
  EXPECT_THAT(ScanOrder::FromEntries({0, -1}).status().message(), HasSubstr("entry 1 is -1"));
}

TEST(ScanOrderTest, NamesTheFirstEntryThatRepeatsAnother) {
  const absl::Status status = ScanOrder::FromEntries({0, 3, 2, 3, 0}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("entry 3 is 3, which entry 1 is already"));
}

TEST(ScanOrderTest, RefusesAnEmptyOrder) {
  EXPECT_TRUE(absl::IsInvalidArgument(ScanOrder::FromEntries({}).status()));
}

TEST(ScanOrderTest, TakesTheLargestOrderAndNoLarger) {
  std::vector<int64_t> pi(ScanOrder::kMaxEntries);
  std::iota(pi.rbegin(), pi.rend(), 0);
  EXPECT_EQ(ScanOrder::FromNpy(base::FormatNpyIntegers(absl::MakeConstSpan(pi))).value()->size(),
            ScanOrder::kMaxEntries);
  pi.push_back(ScanOrder::kMaxEntries);
  EXPECT_THAT(
      ScanOrder::FromNpy(base::FormatNpyIntegers(absl::MakeConstSpan(pi))).status().message(),
      HasSubstr("1048577 entries, the limit is 1048576"));
  EXPECT_TRUE(absl::IsInvalidArgument(ScanOrder::FromEntries(pi).status()));
}

}  // namespace
}  // namespace scanserve::order
