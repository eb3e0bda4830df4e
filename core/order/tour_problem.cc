#include "core/order/tour_problem.h"

#include <algorithm>
#include <utility>

namespace scanserve::order {

TourProblem::TourProblem(const RowDistances& distances, const NeighbourLists& neighbours,
                         bool closed, base::ThreadPool& threads)
    : distances_(distances),
      closed_(closed),
      cities_(distances.rows() + (closed ? 0 : 1)),
      reward_(8 * distances.Bound()) {
  if (cities_ <= kMaxMatrixCities) FillMatrix(threads);
  for (int32_t row = 0; row < distances.rows(); ++row) {
    first_.push_back(candidates_.size());
    if (!closed && row != 0) AddCandidate(row, end());
    for (const int32_t near : neighbours.Of(row)) AddCandidate(row, near);
  }
  first_.resize(Width() + 1, candidates_.size());
}

// A distance is the same number both ways, whatever a product of blocks rounds.
void TourProblem::FillMatrix(base::ThreadPool& threads) {
  std::vector<float> matrix(Width() * Width());
  threads.ParallelFor(cities_, /*smallest_range=*/1, [&](int64_t first, int64_t last) {
    for (auto a = static_cast<int32_t>(first); a < last; ++a) {
      for (int32_t b = 0; b < cities_; ++b) {
        const float distance = a == b ? 0 : static_cast<float>(Distance(a, b));
        matrix[static_cast<size_t>(a) * Width() + static_cast<size_t>(b)] = distance;
      }
    }
  });
  matrix_ = std::move(matrix);
}

void TourProblem::AddCandidate(int32_t city, int32_t candidate) {
  candidates_.push_back(candidate);
  candidate_distances_.push_back(static_cast<float>(Distance(city, candidate)));
}

std::vector<int32_t> TourProblem::CitiesOf(absl::Span<const int32_t> path) const {
  std::vector<int32_t> cities(path.begin(), path.end());
  if (!closed_) cities.push_back(end());
  return cities;
}

std::vector<int32_t> TourProblem::PathOf(std::vector<int32_t> cities_from_0) const {
  if (closed_) return cities_from_0;
  // The end is a neighbour of row 0 on one side or the other.
  if (cities_from_0[1] == end()) {
    std::reverse(cities_from_0.begin() + 1, cities_from_0.end());
  }
  cities_from_0.pop_back();
  return cities_from_0;
}

}  // namespace scanserve::order
