// A closed tour as an array of cities, which the searches for shorter tours change in place.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace scanserve::order {

// Cities are 0..n-1. All calls but Reverse and the constructor take O(1); belongs to one thread.
class ArrayTour {
 public:
  // `cities` is a permutation of 0..n-1, n >= 3.
  explicit ArrayTour(std::vector<int32_t> cities);

  int32_t size() const { return static_cast<int32_t>(cities_.size()); }
  int32_t Next(int32_t city) const { return reversed_ ? Before(city) : After(city); }
  int32_t Previous(int32_t city) const { return reversed_ ? After(city) : Before(city); }
  // Whether `b` is met no later than `c` on the way forward from `a`.
  bool Between(int32_t a, int32_t b, int32_t c) const {
    return reversed_ ? InArray(c, b, a) : InArray(a, b, c);
  }

  // Walks the tour the other way from now on.
  void Mirror() {
    reversed_ = !reversed_;
    mirrored_ = !mirrored_;
  }

  // Turns the way from `first` forward to `last` around, in O(n / 2) at most: the rest is turned
  // where that is shorter.
  void Reverse(int32_t first, int32_t last);

  // Reverse calls since the last Commit can be taken back. RollBack undoes Mirror too.
  void Commit() { journal_.clear(); }
  void RollBack();

  // Forward from `first`.
  std::vector<int32_t> From(int32_t first) const;

 private:
  using Index = uint32_t;

  Index Position(int32_t city) const { return positions_[static_cast<Index>(city)]; }
  int32_t After(int32_t city) const {
    const Index next = Position(city) + 1;
    return cities_[next == cities_.size() ? 0 : next];
  }
  int32_t Before(int32_t city) const {
    const Index here = Position(city);
    return cities_[here == 0 ? cities_.size() - 1 : here - 1];
  }
  bool InArray(int32_t a, int32_t b, int32_t c) const {
    const Index from = Position(a), here = Position(b), to = Position(c);
    return from <= to ? from <= here && here <= to : from <= here || here <= to;
  }
  void Swap(Index from, Index to, Index pairs);
  void ReverseUnlogged(int32_t first, int32_t last);

  std::vector<int32_t> cities_;
  std::vector<Index> positions_;                      // of each city in cities_
  bool reversed_ = false;                             // forward is towards smaller positions
  bool mirrored_ = false;                             // Mirror was called an odd number of times
  std::vector<std::pair<int32_t, int32_t>> journal_;  // what Reverse was given, as not mirrored
};

}  // namespace scanserve::order
