#include "core/order/genetic_search.h"

#include <algorithm>
#include <utility>

#include "core/order/array_tour.h"
#include "core/order/local_search.h"
#include "core/order/random_source.h"

namespace scanserve::order {
namespace {

constexpr int kPopulation = 24;
// Made from one population, so that threads share them: the same ones for any number of threads.
constexpr int kChildrenAtOnce = 8;
// Of the rows, how many a founder's path has moved elsewhere.
constexpr int32_t kRowsForOneMove = 10;
constexpr int64_t kStepsBetweenClocks = 16;

struct Individual {
  std::vector<int32_t> path;
  double length = 0;
};

// The path shortened until Or-opt finds nothing, or time is up.
Individual Shortened(const TourProblem& problem, std::vector<int32_t> path,
                     const SearchWatch& watch) {
  ArrayTour tour(problem.CitiesOf(path));
  LocalSearch search(problem, Moves::kOrOpt, tour);
  for (const int32_t city : tour.From(0)) search.Enqueue(city);
  double gain = 0;
  for (int64_t step = 1; search.Step(gain); ++step) {
    if (step % kStepsBetweenClocks == 0 && watch.Expired()) break;
  }
  path = problem.PathOf(tour.From(0));
  const double length = problem.Length(path);
  return {.path = std::move(path), .length = length};
}

// `path` with rows moved to other places; row 0 stays first.
std::vector<int32_t> Founder(std::vector<int32_t> path, RandomSource random) {
  const auto movable = static_cast<int32_t>(path.size()) - 1;
  for (int32_t moves = movable / kRowsForOneMove + 1; moves > 0; --moves) {
    auto from = path.begin() + 1 + random.Below(movable);
    auto to = path.begin() + 1 + random.Below(movable);
    if (from < to) {
      std::rotate(from, from + 1, to + 1);
    } else {
      std::rotate(to, from, from + 1);
    }
  }
  return path;
}

// Order crossover; row 0 is first in all.
std::vector<int32_t> Crossed(absl::Span<const int32_t> a, absl::Span<const int32_t> b,
                             RandomSource random) {
  const auto size = static_cast<int32_t>(a.size());
  int32_t begin = 1 + random.Below(size - 1);
  int32_t end = 1 + random.Below(size - 1);
  if (begin > end) std::swap(begin, end);
  std::vector<bool> taken(a.size());
  for (int32_t k = begin; k < end; ++k) {
    taken[static_cast<size_t>(a[static_cast<size_t>(k)])] = true;
  }
  std::vector<int32_t> child;
  child.reserve(a.size());
  for (const int32_t row : b) {
    if (static_cast<int32_t>(child.size()) == begin) {
      child.insert(child.end(), a.begin() + begin, a.begin() + end);
    }
    if (!taken[static_cast<size_t>(row)]) child.push_back(row);
  }
  if (static_cast<int32_t>(child.size()) == begin) {
    child.insert(child.end(), a.begin() + begin, a.begin() + end);
  }
  return child;
}

class Population {
 public:
  Population(const TourProblem& problem, int64_t seed, base::ThreadPool& threads,
             SearchWatch& watch)
      : problem_(problem), threads_(threads), watch_(watch), random_(static_cast<uint64_t>(seed)) {}

  // The first is `path` itself, and not longer than it once it is shortened.
  void Found(const std::vector<int32_t>& path) {
    tours_.resize(kPopulation);
    Make(tours_, [&path](size_t number, RandomSource random) {
      return number == 0 ? path : Founder(path, random);
    });
    watch_.Report(0, Best().length);
  }

  void Breed() {
    std::vector<Individual> children(static_cast<size_t>(watch_.Allowed(kChildrenAtOnce)));
    Make(children, [this](size_t, RandomSource random) {
      const Individual& a = Parent(random);
      return Crossed(a.path, Parent(random).path, random);
    });
    for (Individual& child : children) Admit(std::move(child));
    watch_.Report(static_cast<int64_t>(children.size()), Best().length);
  }

  const Individual& Best() const {
    return *std::ranges::min_element(tours_, {}, &Individual::length);
  }

 private:
  // Fills `individuals`, each from random numbers of its own.
  template <typename MakePath>
  void Make(std::vector<Individual>& individuals, MakePath make_path) {
    std::vector<uint64_t> seeds(individuals.size());
    std::ranges::generate(seeds, [this] { return random_.Next(); });
    threads_.ParallelFor(
        static_cast<int64_t>(seeds.size()), /*smallest_range=*/1, [&](int64_t begin, int64_t end) {
          for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
            individuals[i] = Shortened(problem_, make_path(i, RandomSource(seeds[i])), watch_);
          }
        });
  }

  // The shorter of two.
  const Individual& Parent(RandomSource& random) const {
    const Individual& a = tours_[static_cast<size_t>(random.Below(kPopulation))];
    const Individual& b = tours_[static_cast<size_t>(random.Below(kPopulation))];
    return a.length <= b.length ? a : b;
  }

  void Admit(Individual child) {
    const auto same = [&child](const Individual& tour) { return tour.length == child.length; };
    if (std::ranges::any_of(tours_, same)) return;
    Individual& longest = *std::ranges::max_element(tours_, {}, &Individual::length);
    if (child.length < longest.length) longest = std::move(child);
  }

  const TourProblem& problem_;
  base::ThreadPool& threads_;
  SearchWatch& watch_;
  RandomSource random_;
  std::vector<Individual> tours_;
};

}  // namespace

std::vector<int32_t> GeneticSearch(const TourProblem& problem, std::vector<int32_t> path,
                                   int64_t seed, base::ThreadPool& threads, SearchWatch& watch) {
  Population population(problem, seed, threads, watch);
  population.Found(path);
  while (watch.GoOn()) population.Breed();
  return population.Best().path;
}

}  // namespace scanserve::order
