// Shortens a tour by small changes until none of its kind helps.
#pragma once

#include <cstdint>
#include <vector>

#include "core/order/array_tour.h"
#include "core/order/tour_problem.h"

namespace scanserve::order {

enum class Moves {
  kTwoOpt,  // two edges change: a stretch of the tour is turned around
  kOrOpt,   // and: a stretch of up to 3 cities moves elsewhere, as it is or turned around
  kOr3Opt,  // and: three edges change, so that stretches of any length move or turn
};

// Looks only at new edges from a city to its candidates, and only at cities whose surroundings
// changed since they were looked at in vain: they wait in a queue (don't-look bits). The problem
// and the tour outlive it. Belongs to one thread.
class LocalSearch {
 public:
  LocalSearch(const TourProblem& problem, Moves moves, ArrayTour& tour);

  // Looks at `city` in the next Run.
  void Enqueue(int32_t city);

  // Until the queue is empty. Returns by how much the tour became shorter: never negative.
  double Run();

  // As Run, but may be stopped: looks at one city. False when the queue is empty.
  bool Step(double& gain);

 private:
  // The edge that a move takes out first, with t2 after t1 on the tour. Gains g are in float64, in
  // which no sum of a few float32 distances is rounded: else the length would drift.
  struct Edge {
    int32_t t1, t2;
    double length;
  };

  bool ImproveCity(int32_t city, double& gain);
  bool ImproveEdge(const Edge& edge, double& gain);
  bool TwoOpt(const Edge& edge, int32_t t3, double g1, double& gain);
  bool TwoOptTwice(const Edge& edge, int32_t t3, double g1, double& gain);
  bool MoveStretch(const Edge& edge, int32_t t3, double g1, double& gain);
  bool MoveSegment(const Edge& edge, int32_t t3, double g1, double& gain);
  void EnqueueAll(std::initializer_list<int32_t> cities);

  const TourProblem& problem_;
  const Moves moves_;
  ArrayTour& tour_;
  std::vector<int32_t> queue_;  // a ring
  size_t head_ = 0;
  size_t waiting_ = 0;
  std::vector<bool> is_waiting_;
};

}  // namespace scanserve::order
