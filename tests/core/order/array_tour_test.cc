#include "core/order/array_tour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/order/random_source.h"

namespace scanserve::order {
namespace {

using testing::ElementsAre;

// The same tour as a plain list that is rotated so that every stretch lies in one piece.
class ListTour {
 public:
  explicit ListTour(std::vector<int32_t> cities) : cities_(std::move(cities)) {}

  void Reverse(int32_t first, int32_t last) {
    StartWith(first);
    std::reverse(cities_.begin(), std::ranges::find(cities_, last) + 1);
  }
  void Mirror() { std::ranges::reverse(cities_); }
  std::vector<int32_t> From(int32_t first) {
    StartWith(first);
    return cities_;
  }
  bool Between(int32_t a, int32_t b, int32_t c) {
    StartWith(a);
    return std::ranges::find(cities_, b) <= std::ranges::find(cities_, c);
  }

 private:
  void StartWith(int32_t city) { std::ranges::rotate(cities_, std::ranges::find(cities_, city)); }

  std::vector<int32_t> cities_;
};

std::vector<int32_t> Numbered(int32_t size) {
  std::vector<int32_t> cities(static_cast<size_t>(size));
  std::iota(cities.begin(), cities.end(), 0);
  return cities;
}

TEST(ArrayTourTest, TurnsAStretchAround) {
  ArrayTour tour(Numbered(6));
  tour.Reverse(1, 3);
  EXPECT_THAT(tour.From(0), ElementsAre(0, 3, 2, 1, 4, 5));
}

TEST(ArrayTourTest, KeepsItsDirectionWhenTheRestIsShorter) {
  ArrayTour tour(Numbered(6));
  tour.Reverse(1, 5);
  EXPECT_THAT(tour.From(0), ElementsAre(0, 5, 4, 3, 2, 1));
}

TEST(ArrayTourTest, EqualsAPlainListAfterRandomChanges) {
  RandomSource random(5);
  for (int32_t size = 3; size < 20; ++size) {
    ArrayTour tour(Numbered(size));
    ListTour list(Numbered(size));
    for (int change = 0; change < 100; ++change) {
      if (random.Below(4) == 0) {
        tour.Mirror();
        list.Mirror();
      }
      const int32_t a = random.Below(size), b = random.Below(size), c = random.Below(size);
      tour.Reverse(a, b);
      list.Reverse(a, b);
      ASSERT_EQ(tour.From(c), list.From(c)) << size;
      ASSERT_EQ(tour.Previous(tour.Next(a)), a);
      ASSERT_EQ(tour.Between(a, b, c), list.Between(a, b, c));
    }
  }
}

TEST(ArrayTourTest, RollsBackToTheLastCommitHoweverItWasMirrored) {
  RandomSource random(6);
  ArrayTour tour(Numbered(15));
  for (int round = 0; round < 50; ++round) {
    tour.Reverse(random.Below(15), random.Below(15));
    tour.Commit();
    const std::vector<int32_t> before = tour.From(0);
    for (int change = 0; change < 6; ++change) {
      if (random.Below(2) == 0) tour.Mirror();
      tour.Reverse(random.Below(15), random.Below(15));
    }
    tour.RollBack();
    // Which way a tour is walked is not part of it.
    std::vector<int32_t> after = tour.From(0);
    if (after[1] != before[1]) std::reverse(after.begin() + 1, after.end());
    ASSERT_EQ(after, before);
  }
}

}  // namespace
}  // namespace scanserve::order
