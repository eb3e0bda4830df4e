#include "core/order/target_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "core/order/scan_order.h"
#include "tests/core/order/read_set.h"

namespace scanserve::order {
namespace {

using testing::Each;
using testing::ElementsAre;

std::vector<int32_t> Natural(int length) {
  std::vector<int32_t> order(static_cast<size_t>(length));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<TargetClass> BruteForce(const std::vector<int32_t>& order,
                                    const std::vector<int>& targets, int num_layers) {
  std::vector<TargetClass> classes;
  for (int i = 0; i + 1 < static_cast<int>(order.size()); ++i) {
    const std::set<int> read = ReadSet(i, order, targets, num_layers);
    if (read.contains(i + 1)) {
      classes.push_back(TargetClass::kLeaked);
    } else {
      classes.push_back(*read.rbegin() > i ? TargetClass::kLookahead : TargetClass::kCausal);
    }
  }
  return classes;
}

TEST(TargetClassTest, NaturalOrderIsCausalEverywhere) {
  EXPECT_THAT(ClassifyTargets(Natural(9), {}, 4), Each(TargetClass::kCausal));
  EXPECT_THAT(ClassifyTargets(Natural(9), {0, 3}, 4), Each(TargetClass::kCausal));
}

TEST(TargetClassTest, ReversedOrderLeaksEveryTarget) {
  std::vector<int32_t> order = Natural(6);
  std::ranges::reverse(order);
  EXPECT_THAT(ClassifyTargets(order, {}, 2), Each(TargetClass::kLeaked));
}

TEST(TargetClassTest, TellsTheThreeClassesApart) {
  // Scan order 0 2 1 3: position 0 has read nothing else, 1 has read 2, 2 has read only 0.
  EXPECT_THAT(ClassifyTargets(std::vector<int32_t>{0, 2, 1, 3}, {}, 1),
              ElementsAre(TargetClass::kCausal, TargetClass::kLeaked, TargetClass::kCausal));
  // Position 0 is scanned after 2 and before 1.
  EXPECT_THAT(ClassifyTargets(std::vector<int32_t>{2, 0, 1}, {}, 1),
              ElementsAre(TargetClass::kLookahead, TargetClass::kLeaked));
}

TEST(TargetClassTest, NaturalLayersAboveATargetLayerSpreadWhatItRead) {
  // Alone, the target layer shows position 1 nothing later; a natural layer above brings in
  // position 0, which has read 2.
  const std::vector<int32_t> order = {1, 2, 0};
  EXPECT_THAT(ClassifyTargets(order, {}, 1),
              ElementsAre(TargetClass::kLeaked, TargetClass::kCausal));
  EXPECT_THAT(ClassifyTargets(order, {0}, 2),
              ElementsAre(TargetClass::kLeaked, TargetClass::kLeaked));
}

TEST(TargetClassTest, GivesTheExampleOfTheDocumentation) {
  constexpr auto kLeaked = TargetClass::kLeaked;
  constexpr auto kLookahead = TargetClass::kLookahead;
  constexpr auto kCausal = TargetClass::kCausal;
  const std::vector<int32_t> order = {2, 0, 1, 4, 3};
  EXPECT_THAT(ClassifyTargets(order, {}, 2), ElementsAre(kLookahead, kLeaked, kCausal, kLeaked));
  EXPECT_THAT(ClassifyTargets(order, {0}, 2), ElementsAre(kLookahead, kLeaked, kCausal, kLeaked));
  EXPECT_THAT(ClassifyTargets(order, {1}, 2), ElementsAre(kLeaked, kLeaked, kCausal, kLeaked));
}

TEST(TargetClassTest, OneTokenHasNoTarget) {
  EXPECT_TRUE(ClassifyTargets(Natural(1), {}, 3).empty());
}

TEST(TargetClassTest, EqualsBruteForceOnRandomOrdersAndSubsets) {
  std::mt19937 random(20240517);
  for (int round = 0; round < 400; ++round) {
    const int length = 2 + static_cast<int>(random() % 14);
    const int num_layers = 1 + static_cast<int>(random() % 6);
    std::vector<int32_t> order = Natural(length);
    // A few swaps leave orders in which all three classes occur.
    for (unsigned swaps = random() % 8; swaps > 0; --swaps) {
      std::swap(order[random() % order.size()], order[random() % order.size()]);
    }
    std::vector<int> targets;
    for (int layer = 0; layer < num_layers; ++layer) {
      if (random() % 2 == 0) targets.push_back(layer);
    }
    std::ranges::shuffle(targets, random);
    EXPECT_EQ(ClassifyTargets(order, targets, num_layers), BruteForce(order, targets, num_layers))
        << testing::PrintToString(order) << " layers " << testing::PrintToString(targets) << " of "
        << num_layers;
  }
}

}  // namespace
}  // namespace scanserve::order
