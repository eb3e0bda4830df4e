#include "core/base/block_list.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

namespace scanserve::base {
namespace {

constexpr size_t kBlock = BlockList<int>::kElementsOfBlock;

std::vector<int> ElementsOf(const BlockList<int>& list) {
  std::vector<int> elements;
  for (size_t i = 0; i < list.size(); ++i) elements.push_back(list[i]);
  return elements;
}

std::vector<int> Counting(size_t n) {
  std::vector<int> elements(n);
  std::iota(elements.begin(), elements.end(), 0);
  return elements;
}

BlockList<int> ListOf(const std::vector<int>& elements) {
  BlockList<int> list;
  for (const int element : elements) list.Add(element);
  return list;
}

TEST(BlockListTest, HasWhatWasAddedInItsOrder) {
  EXPECT_EQ(BlockList<int>().size(), 0u);
  for (const size_t n : {size_t{1}, kBlock - 1, kBlock, kBlock + 1, 3 * kBlock}) {
    EXPECT_EQ(ElementsOf(ListOf(Counting(n))), Counting(n)) << n;
  }
}

TEST(BlockListTest, ChangesOfEitherAreNotSeenInTheOther) {
  for (const size_t n : {kBlock - 1, kBlock, 2 * kBlock + 7}) {
    BlockList<int> list = ListOf(Counting(n));
    BlockList<int> shared = list.Share();
    list.Change(0) = -1;
    list.Change(n - 1) = -2;
    list.Add(-3);
    EXPECT_EQ(ElementsOf(shared), Counting(n)) << n;
    shared.Change(1) = -4;
    shared.Add(-5);
    std::vector<int> expected = Counting(n);
    expected[0] = -1;
    expected[n - 1] = -2;
    expected.push_back(-3);
    EXPECT_EQ(ElementsOf(list), expected) << n;
    EXPECT_EQ(shared[1], -4);
    EXPECT_EQ(shared[n], -5);
  }
}

TEST(BlockListTest, CopiesNoBlockThatStaysAsItIs) {
  BlockList<int> list = ListOf(Counting(2 * kBlock));
  const BlockList<int> shared = list.Share();
  list.Change(0) = -1;
  list.Change(1) = -2;
  EXPECT_NE(&list[0], &shared[0]);
  EXPECT_EQ(&list[kBlock], &shared[kBlock]);
  // The list's own from now on.
  const int* first = &list[0];
  list.Change(2) = -3;
  EXPECT_EQ(&list[0], first);
}

// For ThreadSanitizer.
TEST(BlockListTest, IsReadOnOneThreadWhileItChangesOnAnother) {
  BlockList<int> list = ListOf(Counting(3 * kBlock));
  for (int round = 0; round < 20; ++round) {
    const std::vector<int> before = ElementsOf(list);
    BlockList<int> shared = list.Share();
    std::thread reader(
        [&before, shared = std::move(shared)] { EXPECT_EQ(ElementsOf(shared), before); });
    for (size_t i = 0; i < list.size(); i += 100) ++list.Change(i);
    for (int i = 0; i < 100; ++i) list.Add(i);
    reader.join();
  }
}

}  // namespace
}  // namespace scanserve::base
