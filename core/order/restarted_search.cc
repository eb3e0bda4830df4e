#include "core/order/restarted_search.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "core/order/array_tour.h"
#include "core/order/local_search.h"
#include "core/order/random_source.h"

namespace scanserve::order {
namespace {

constexpr int64_t kRestartsBetweenMeetings = 2048;
// Asking the clock costs as much as some steps.
constexpr int64_t kStepsBetweenClocks = 16;
// A restart exchanges two neighbouring stretches of up to this many cities.
constexpr int32_t kMaxStretch = 30;
constexpr int32_t kMinCitiesToRestart = 8;

// One tour under search. Belongs to one thread at a time.
class Chain {
 public:
  Chain(const TourProblem& problem, absl::Span<const int32_t> path, double length, uint64_t seed)
      : problem_(problem), random_(seed) {
    Restore(path, length);
  }

  double length() const { return length_; }
  std::vector<int32_t> Path() const { return problem_.PathOf(tour_->From(0)); }

  // Goes on from another tour.
  void Restore(absl::Span<const int32_t> path, double length) {
    tour_ = std::make_unique<ArrayTour>(problem_.CitiesOf(path));
    search_ = std::make_unique<LocalSearch>(problem_, Moves::kOr3Opt, *tour_);
    length_ = length;
  }

  // Shortens the tour as it is. False when the watch expired first.
  bool Settle(const SearchWatch& watch) {
    for (const int32_t city : tour_->From(0)) search_->Enqueue(city);
    double gain = 0;
    bool more = true;
    for (int64_t step = 1; more; ++step) {
      more = search_->Step(gain);
      if (step % kStepsBetweenClocks == 0 && watch.Expired()) break;
    }
    length_ -= gain;
    tour_->Commit();
    return !more;
  }

  // Returns how many restarts were made.
  int64_t Restart(int64_t times, const SearchWatch& watch) {
    for (int64_t done = 0; done < times; ++done) {
      if (done % kStepsBetweenClocks == 0 && watch.Expired()) return done;
      const double change = Disturb() - search_->Run();
      if (change <= 0) {
        length_ += change;
        tour_->Commit();
      } else {
        tour_->RollBack();
      }
    }
    return times;
  }

 private:
  int32_t Forward(int32_t city, int32_t steps) const {
    for (; steps > 0; --steps) city = tour_->Next(city);
    return city;
  }

  // t1 [a .. b] [c .. d] t2 becomes t1 [c .. d] [a .. b] t2, a double bridge of short stretches.
  // Returns by how much the tour became longer.
  double Disturb() {
    const int32_t longest = std::min(kMaxStretch, (tour_->size() - 2) / 2);
    const int32_t t1 = random_.Below(tour_->size());
    const int32_t a = tour_->Next(t1);
    const int32_t b = Forward(a, random_.Below(longest));
    const int32_t c = tour_->Next(b);
    const int32_t d = Forward(c, random_.Below(longest));
    const int32_t t2 = tour_->Next(d);
    if (problem_.IsFixed(t1, a) || problem_.IsFixed(b, c) || problem_.IsFixed(d, t2)) return 0;
    tour_->Reverse(a, d);
    tour_->Reverse(d, c);
    tour_->Reverse(b, a);
    for (const int32_t city : {t1, a, b, c, d, t2}) search_->Enqueue(city);
    return problem_.Distance(t1, c) + problem_.Distance(d, a) + problem_.Distance(b, t2) -
           problem_.Distance(t1, a) - problem_.Distance(b, c) - problem_.Distance(d, t2);
  }

  const TourProblem& problem_;
  RandomSource random_;
  std::unique_ptr<ArrayTour> tour_;
  std::unique_ptr<LocalSearch> search_;
  double length_ = 0;
};

std::vector<Chain> MakeChains(const TourProblem& problem, const Chain& first, int count,
                              int64_t seed) {
  std::vector<Chain> chains;
  RandomSource seeds(static_cast<uint64_t>(seed));
  const std::vector<int32_t> path = first.Path();
  for (int i = 0; i < count; ++i) {
    chains.emplace_back(problem, path, first.length(), seeds.Next());
  }
  return chains;
}

}  // namespace

std::vector<int32_t> RestartedSearch(const TourProblem& problem, std::vector<int32_t> path,
                                     int64_t seed, base::ThreadPool& threads, SearchWatch& watch) {
  Chain first(problem, path, problem.Length(path), 0);
  const bool settled = first.Settle(watch);
  watch.Report(0, first.length());
  if (!settled || problem.cities() < kMinCitiesToRestart) return first.Path();
  std::vector<Chain> chains = MakeChains(problem, first, threads.threads(), seed);
  const auto count = static_cast<int64_t>(chains.size());
  std::vector<int64_t> done(chains.size());
  auto best = chains.begin();
  while (watch.GoOn()) {
    const int64_t each = (watch.Allowed(kRestartsBetweenMeetings * count) + count - 1) / count;
    threads.ParallelFor(count, /*smallest_range=*/1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        done[i] = chains[i].Restart(each, watch);
      }
    });
    best = std::ranges::min_element(chains, {}, &Chain::length);
    watch.Report(std::accumulate(done.begin(), done.end(), int64_t{0}), best->length());
    for (auto chain = chains.begin(); chain != chains.end(); ++chain) {
      if (chain->length() > best->length()) chain->Restore(best->Path(), best->length());
    }
  }
  return best->Path();
}

}  // namespace scanserve::order
