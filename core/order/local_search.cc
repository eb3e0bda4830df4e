#include "core/order/local_search.h"

#include <algorithm>

namespace scanserve::order {
namespace {

// Less than this is rounding: a move for it could be taken back and made again without end.
constexpr double kMinGain = 1e-7;
constexpr int kMaxSegment = 3;

}  // namespace

LocalSearch::LocalSearch(const TourProblem& problem, Moves moves, ArrayTour& tour)
    : problem_(problem),
      moves_(moves),
      tour_(tour),
      queue_(static_cast<size_t>(tour.size())),
      is_waiting_(queue_.size()) {}

void LocalSearch::Enqueue(int32_t city) {
  if (is_waiting_[static_cast<size_t>(city)]) return;
  is_waiting_[static_cast<size_t>(city)] = true;
  queue_[(head_ + waiting_) % queue_.size()] = city;
  ++waiting_;
}

void LocalSearch::EnqueueAll(std::initializer_list<int32_t> cities) {
  for (const int32_t city : cities) Enqueue(city);
}

double LocalSearch::Run() {
  double gain = 0;
  while (Step(gain)) {
  }
  return gain;
}

bool LocalSearch::Step(double& gain) {
  if (waiting_ == 0) return false;
  const int32_t city = queue_[head_];
  head_ = (head_ + 1) % queue_.size();
  --waiting_;
  is_waiting_[static_cast<size_t>(city)] = false;
  while (ImproveCity(city, gain)) {
  }
  return true;
}

bool LocalSearch::ImproveCity(int32_t city, double& gain) {
  // Both edges of the city; the second is the first one of the tour walked the other way.
  for (int side = 0; side < 2; ++side) {
    const int32_t next = tour_.Next(city);
    if (ImproveEdge({city, next, problem_.Distance(city, next)}, gain)) return true;
    tour_.Mirror();
  }
  return false;
}

bool LocalSearch::ImproveEdge(const Edge& edge, double& gain) {
  const absl::Span<const int32_t> candidates = problem_.Candidates(edge.t2);
  const absl::Span<const float> lengths = problem_.CandidateDistances(edge.t2);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double g1 = edge.length - lengths[i];
    if (g1 < kMinGain) return false;
    const int32_t t3 = candidates[i];
    if (TwoOpt(edge, t3, g1, gain)) return true;
    if (moves_ == Moves::kOrOpt && MoveSegment(edge, t3, g1, gain)) return true;
    if (moves_ == Moves::kOr3Opt &&
        (TwoOptTwice(edge, t3, g1, gain) || MoveStretch(edge, t3, g1, gain))) {
      return true;
    }
  }
  return false;
}

// t1 [t2 .. t4] t3  becomes  t1 [t4 .. t2] t3.
bool LocalSearch::TwoOpt(const Edge& edge, int32_t t3, double g1, double& gain) {
  const auto [t1, t2, length] = edge;
  const int32_t t4 = tour_.Previous(t3);
  if (t4 == t2) return false;
  const double closed = g1 + problem_.Distance(t3, t4) - problem_.Distance(t4, t1);
  if (closed < kMinGain) return false;
  tour_.Reverse(t2, t4);
  gain += closed;
  EnqueueAll({t1, t2, t3, t4});
  return true;
}

// After a TwoOpt that need not be one by itself, its new edge t4-t1 is taken out by a second one.
bool LocalSearch::TwoOptTwice(const Edge& edge, int32_t t3, double g1, double& gain) {
  const auto [t1, t2, length] = edge;
  const int32_t t4 = tour_.Previous(t3);
  if (t4 == t2) return false;
  const double g2 = g1 + problem_.Distance(t3, t4);
  const absl::Span<const int32_t> candidates = problem_.Candidates(t4);
  const absl::Span<const float> lengths = problem_.CandidateDistances(t4);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double g3 = g2 - lengths[i];
    if (g3 < kMinGain) return false;
    const int32_t t5 = candidates[i];
    if (t5 == t3 || t5 == t1) continue;
    const bool inside = tour_.Between(t2, t5, t4);
    const int32_t t6 = inside ? tour_.Next(t5) : tour_.Previous(t5);
    // Inside, t5 = t4's neighbour leaves nothing to turn.
    if (t6 == t4) continue;
    const double closed = g3 + problem_.Distance(t5, t6) - problem_.Distance(t6, t1);
    if (closed < kMinGain) continue;
    tour_.Reverse(t2, t4);
    tour_.Reverse(t4, t6);
    gain += closed;
    EnqueueAll({t1, t2, t3, t4, t5, t6});
    return true;
  }
  return false;
}

// t1 [t2 .. t3] t4, cut once more between t5 and t6 inside, becomes t1 [t6 .. t3] [t2 .. t5] t4 or,
// with t6 before t5, t1 [t6 .. t2] [t3 .. t5] t4.
bool LocalSearch::MoveStretch(const Edge& edge, int32_t t3, double g1, double& gain) {
  const auto [t1, t2, length] = edge;
  if (t3 == t1) return false;
  const int32_t t4 = tour_.Next(t3);
  const double g2 = g1 + problem_.Distance(t3, t4);
  const absl::Span<const int32_t> candidates = problem_.Candidates(t4);
  const absl::Span<const float> lengths = problem_.CandidateDistances(t4);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double g3 = g2 - lengths[i];
    if (g3 < kMinGain) return false;
    const int32_t t5 = candidates[i];
    if (!tour_.Between(t2, t5, t3)) continue;
    for (const bool swap : {true, false}) {
      if (t5 == (swap ? t3 : t2)) continue;
      const int32_t t6 = swap ? tour_.Next(t5) : tour_.Previous(t5);
      const double closed = g3 + problem_.Distance(t5, t6) - problem_.Distance(t6, t1);
      if (closed < kMinGain) continue;
      if (swap) {
        tour_.Reverse(t2, t3);
        tour_.Reverse(t3, t6);
        tour_.Reverse(t5, t2);
      } else {
        tour_.Reverse(t2, t6);
        tour_.Reverse(t5, t3);
      }
      gain += closed;
      EnqueueAll({t1, t2, t3, t4, t5, t6});
      return true;
    }
  }
  return false;
}

// t1 [t2 .. last] next: the segment goes beside t3, t2 next to it, as it is or turned around.
bool LocalSearch::MoveSegment(const Edge& edge, int32_t t3, double g1, double& gain) {
  const auto [t1, t2, length] = edge;
  int32_t last = t2;
  for (int size = 1; size <= kMaxSegment && last != t3; ++size, last = tour_.Next(last)) {
    const int32_t next = tour_.Next(last);
    if (next == t1) return false;
    const double g2 = g1 + problem_.Distance(last, next) - problem_.Distance(t1, next);
    for (const bool turned : {true, false}) {
      const int32_t t4 = turned ? tour_.Previous(t3) : tour_.Next(t3);
      // Where it stands already.
      if (t3 == (turned ? next : t1)) continue;
      const double closed = g2 + problem_.Distance(t3, t4) - problem_.Distance(last, t4);
      if (closed < kMinGain) continue;
      if (turned) {
        tour_.Reverse(t2, t4);
        tour_.Reverse(t4, next);
      } else {
        tour_.Reverse(t2, t3);
        tour_.Reverse(t3, next);
        tour_.Reverse(last, t2);
      }
      gain += closed;
      EnqueueAll({t1, t2, t3, t4, last, next});
      return true;
    }
  }
  return false;
}

}  // namespace scanserve::order
