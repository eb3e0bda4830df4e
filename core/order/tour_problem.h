// A shortest-path problem as a closed tour: what the searches for shorter tours work on.
//
// An open path from row 0 is a closed tour through one more city, the end: it costs nothing to go
// to it from any row, and the edge to row 0 has a reward that no change of three edges can make up
// for.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/order/neighbour_lists.h"
#include "core/order/row_distance.h"

namespace scanserve::order {

// Immutable; the distances and neighbours outlive it. Thread-safe.
class TourProblem {
 public:
  // Distances of all pairs are kept in float32 up to this many cities (64 MiB), above computed.
  static constexpr int32_t kMaxMatrixCities = 4096;

  TourProblem(const RowDistances& distances, const NeighbourLists& neighbours, bool closed,
              base::ThreadPool& threads);

  bool closed() const { return closed_; }
  // Rows, and one more for an open path.
  int32_t cities() const { return cities_; }

  // The same number both ways.
  double Distance(int32_t a, int32_t b) const {
    if (!matrix_.empty()) return matrix_[static_cast<size_t>(a) * Width() + static_cast<size_t>(b)];
    return !closed_ && (a == end() || b == end()) ? ToEnd(a == end() ? b : a)
                                                  : distances_.Between(a, b);
  }

  // The edge between row 0 and the end of an open path.
  bool IsFixed(int32_t a, int32_t b) const {
    return !closed_ && (a == end() || b == end()) && (a == 0 || b == 0);
  }
  // Of a path through all rows; with the way back when the tour is closed.
  double Length(absl::Span<const int32_t> path) const {
    return PathLength(distances_, path, closed_);
  }

  // Where to go from `city`, nearest first, with the distances there.
  absl::Span<const int32_t> Candidates(int32_t city) const {
    return absl::MakeConstSpan(candidates_).subspan(First(city), Count(city));
  }
  absl::Span<const float> CandidateDistances(int32_t city) const {
    return absl::MakeConstSpan(candidate_distances_).subspan(First(city), Count(city));
  }

  // The closed tour of a path through all rows from row 0, and back.
  std::vector<int32_t> CitiesOf(absl::Span<const int32_t> path) const;
  std::vector<int32_t> PathOf(std::vector<int32_t> cities_from_0) const;

 private:
  int32_t end() const { return cities_ - 1; }
  float ToEnd(int32_t row) const { return row == 0 ? -reward_ : 0; }
  size_t Width() const { return static_cast<size_t>(cities_); }
  size_t First(int32_t city) const { return first_[static_cast<size_t>(city)]; }
  size_t Count(int32_t city) const { return first_[static_cast<size_t>(city) + 1] - First(city); }
  void FillMatrix(base::ThreadPool& threads);
  void AddCandidate(int32_t city, int32_t candidate);

  const RowDistances& distances_;
  const bool closed_;
  const int32_t cities_;
  const float reward_;
  std::vector<float> matrix_;  // [cities, cities], empty above kMaxMatrixCities
  std::vector<size_t> first_;  // of each city in the two lists below, and their end
  std::vector<int32_t> candidates_;
  std::vector<float> candidate_distances_;
};

}  // namespace scanserve::order
