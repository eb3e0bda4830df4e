#include "core/order/array_tour.h"

#include "core/base/check.h"

namespace scanserve::order {

ArrayTour::ArrayTour(std::vector<int32_t> cities)
    : cities_(std::move(cities)), positions_(cities_.size()) {
  SCANSERVE_CHECK(cities_.size() >= 3);
  for (Index k = 0; k < cities_.size(); ++k) positions_[static_cast<Index>(cities_[k])] = k;
}

// Exchanges cities from both ends of a stretch of the array, which may wrap around, inwards.
void ArrayTour::Swap(Index from, Index to, Index pairs) {
  const auto size = static_cast<Index>(cities_.size());
  for (; pairs > 0; --pairs) {
    const int32_t left = cities_[from];
    const int32_t right = cities_[to];
    cities_[from] = right;
    positions_[static_cast<Index>(right)] = from;
    cities_[to] = left;
    positions_[static_cast<Index>(left)] = to;
    from = from + 1 == size ? 0 : from + 1;
    to = to == 0 ? size - 1 : to - 1;
  }
}

void ArrayTour::ReverseUnlogged(int32_t first, int32_t last) {
  if (reversed_) std::swap(first, last);
  const auto size = static_cast<Index>(cities_.size());
  const Index from = Position(first), to = Position(last);
  const Index inside = (to >= from ? to - from : to + size - from) + 1;
  if (inside * 2 <= size) {
    Swap(from, to, inside / 2);
    return;
  }
  // The rest turned around, and the whole walked the other way, is the same tour.
  Swap(to + 1 == size ? 0 : to + 1, from == 0 ? size - 1 : from - 1, (size - inside) / 2);
  reversed_ = !reversed_;
}

void ArrayTour::Reverse(int32_t first, int32_t last) {
  ReverseUnlogged(first, last);
  if (mirrored_) std::swap(first, last);
  journal_.emplace_back(first, last);
}

void ArrayTour::RollBack() {
  if (mirrored_) Mirror();
  for (; !journal_.empty(); journal_.pop_back()) {
    ReverseUnlogged(journal_.back().second, journal_.back().first);
  }
}

std::vector<int32_t> ArrayTour::From(int32_t first) const {
  std::vector<int32_t> cities;
  cities.reserve(cities_.size());
  int32_t city = first;
  do {
    cities.push_back(city);
    city = Next(city);
  } while (city != first);
  return cities;
}

}  // namespace scanserve::order
