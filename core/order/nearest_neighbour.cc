#include "core/order/nearest_neighbour.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace scanserve::order {
namespace {

// The rows that are not on the path yet.
class RowsLeft {
 public:
  explicit RowsLeft(int32_t rows) : rows_(static_cast<size_t>(rows)), places_(rows_.size()) {
    std::iota(rows_.begin(), rows_.end(), 0);
    std::iota(places_.begin(), places_.end(), 0);
  }

  bool empty() const { return rows_.empty(); }
  bool Has(int32_t row) const { return places_[static_cast<size_t>(row)] >= 0; }

  void Remove(int32_t row) {
    int32_t& place = places_[static_cast<size_t>(row)];
    rows_[static_cast<size_t>(place)] = rows_.back();
    places_[static_cast<size_t>(rows_.back())] = place;
    rows_.pop_back();
    place = -1;
  }

  int32_t NearestTo(int32_t here, const RowDistances& distances) const {
    int32_t nearest = -1;
    float least = std::numeric_limits<float>::infinity();
    for (const int32_t row : rows_) {
      const float distance = distances.Between(here, row);
      if (distance < least || (distance == least && row < nearest)) {
        least = distance;
        nearest = row;
      }
    }
    return nearest;
  }

 private:
  std::vector<int32_t> rows_;
  std::vector<int32_t> places_;  // of each row in rows_, -1 once it is removed
};

}  // namespace

std::vector<int32_t> NearestNeighbourPath(const RowDistances& distances,
                                          const NeighbourLists& neighbours) {
  RowsLeft left(distances.rows());
  std::vector<int32_t> path = {0};
  left.Remove(0);
  while (!left.empty()) {
    const absl::Span<const int32_t> near = neighbours.Of(path.back());
    const auto found = std::ranges::find_if(near, [&](int32_t row) { return left.Has(row); });
    path.push_back(found != near.end() ? *found : left.NearestTo(path.back(), distances));
    left.Remove(path.back());
  }
  return path;
}

}  // namespace scanserve::order
