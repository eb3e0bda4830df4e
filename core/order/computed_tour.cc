#include "core/order/computed_tour.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "core/order/genetic_search.h"
#include "core/order/local_search.h"
#include "core/order/nearest_neighbour.h"
#include "core/order/restarted_search.h"
#include "core/order/row_sample.h"
#include "core/order/tour_problem.h"

namespace scanserve::order {
namespace {

// Nearer than the tenth neighbour lies nearly every edge of a good tour.
constexpr int32_t kNeighbours = 10;
// Fewer leave nothing to change.
constexpr int64_t kMinRowsToSearch = 4;
constexpr int64_t kStepsBetweenReports = 64;

absl::Status CheckInput(const base::FloatMatrix& states, const TourOptions& options) {
  if (states.rows < 1 || states.columns < 1) {
    return absl::InvalidArgumentError(absl::StrCat("hidden states: shape (", states.rows, ", ",
                                                   states.columns,
                                                   "), expected at least one row and column"));
  }
  const int64_t used = std::min(states.rows, options.max_rows);
  if (used <= kMaxSearchRows) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("hidden states: ", used, " rows, the limit is ", kMaxSearchRows));
}

double Improvement(double natural, double length) {
  return natural > 0 ? (natural - length) / natural * 100 : 0;
}

bool OnlyNearestNeighbour(const TourOptions& options) {
  return std::ranges::all_of(
      options.methods, [](TourMethod method) { return method == TourMethod::kNearestNeighbour; });
}

// Whether the reference method takes these rows and measures them so.
bool IsReference(const base::FloatMatrix& states, const TourOptions& options) {
  return options.metric == RowMetric::kAbsoluteCorrelation && !options.closed &&
         std::min(states.rows, options.max_rows) == std::min(states.rows, kMaxTourRows);
}

ComputedTour OfReference(TourReport report) {
  ComputedTour tour;
  tour.methods.push_back({.method = TourMethod::kNearestNeighbour,
                          .order = report.order,
                          .length = report.tour_length,
                          .improvement_percent = report.improvement_percent,
                          .elapsed = report.elapsed,
                          .iterations = 0,
                          .history = {{.elapsed = report.elapsed, .length = report.tour_length}}});
  tour.report = std::move(report);
  return tour;
}

// 2-opt or or-opt, to their end.
std::vector<int32_t> LocalTour(const TourProblem& problem, Moves moves,
                               const std::vector<int32_t>& path, SearchWatch& watch) {
  ArrayTour tour(problem.CitiesOf(path));
  LocalSearch search(problem, moves, tour);
  for (const int32_t city : tour.From(0)) search.Enqueue(city);
  const double before = problem.Length(path);
  double gain = 0;
  for (int64_t step = 1; search.Step(gain); ++step) {
    if (step % kStepsBetweenReports != 0) continue;
    watch.Report(0, before - gain);
    if (!watch.GoOn()) break;
  }
  watch.Report(0, before - gain);
  return problem.PathOf(tour.From(0));
}

// What all methods share.
class Search {
 public:
  Search(const base::FloatMatrix& states, const TourOptions& options)
      : options_(options),
        threads_(options.threads),
        begin_(absl::Now()),
        distances_(states, SampleRows(states.rows, options.max_rows), options.metric),
        neighbours_(FindNeighbours(distances_, kNeighbours, threads_)),
        problem_(distances_, neighbours_, options.closed, threads_) {}

  TourReport Start(const base::FloatMatrix& states, std::vector<int32_t> reference) {
    TourReport report;
    report.rows = states.rows;
    report.columns = states.columns;
    report.rows_used = distances_.rows();
    report.mean_distance = neighbours_.mean_distance;
    report.distance_deviation = neighbours_.distance_deviation;
    std::vector<int32_t> natural(static_cast<size_t>(distances_.rows()));
    std::iota(natural.begin(), natural.end(), 0);
    report.natural_length = problem_.Length(natural);
    report.order =
        reference.empty() ? NearestNeighbourPath(distances_, neighbours_) : std::move(reference);
    Measure(report);
    return report;
  }

  MethodTour Run(TourMethod method, const TourReport& start) {
    MethodTour result;
    result.method = method;
    const double before = start.tour_length;
    SearchWatch watch(options_.time_limit, options_.iterations, before, Progress(method));
    result.order =
        start.rows_used < kMinRowsToSearch ? start.order : Shorten(method, start.order, watch);
    result.length = problem_.Length(result.order);
    result.improvement_percent = Improvement(start.natural_length, result.length);
    result.elapsed = watch.elapsed();
    result.iterations = watch.iterations();
    result.history = watch.TakeHistory();
    return result;
  }

  void Measure(TourReport& report) const {
    report.tour_length = problem_.Length(report.order);
    report.improvement_percent = Improvement(report.natural_length, report.tour_length);
    report.elapsed = absl::Now() - begin_;
  }

 private:
  SearchWatch::Progress Progress(TourMethod method) const {
    if (!options_.on_progress) return nullptr;
    return [this, method](absl::Duration elapsed, int64_t iterations, double length) {
      return options_.on_progress({method, elapsed, iterations, length});
    };
  }

  std::vector<int32_t> Shorten(TourMethod method, const std::vector<int32_t>& path,
                               SearchWatch& watch) {
    switch (method) {
      case TourMethod::kNearestNeighbour:
        break;
      case TourMethod::kTwoOpt:
        return LocalTour(problem_, Moves::kTwoOpt, path, watch);
      case TourMethod::kOrOpt:
        return LocalTour(problem_, Moves::kOrOpt, path, watch);
      case TourMethod::kOr3Opt:
        return RestartedSearch(problem_, path, options_.seed, threads_, watch);
      case TourMethod::kGenetic:
        return GeneticSearch(problem_, path, options_.seed, threads_, watch);
    }
    return path;
  }

  const TourOptions& options_;
  base::ThreadPool threads_;
  const absl::Time begin_;
  const RowDistances distances_;
  const NeighbourLists neighbours_;
  const TourProblem problem_;
};

}  // namespace

absl::StatusOr<ComputedTour> ComputeTour(const base::FloatMatrix& hidden_states,
                                         const TourOptions& options) {
  SCANSERVE_RETURN_IF_ERROR(CheckInput(hidden_states, options));
  std::vector<int32_t> reference;
  if (IsReference(hidden_states, options)) {
    SCANSERVE_ASSIGN_OR_RETURN(TourReport report, CorrelationTour(hidden_states));
    if (OnlyNearestNeighbour(options)) return OfReference(std::move(report));
    reference = std::move(report.order);
  }
  Search search(hidden_states, options);
  const TourReport start = search.Start(hidden_states, std::move(reference));
  ComputedTour tour = OfReference(start);
  for (const TourMethod method : options.methods) {
    if (method == TourMethod::kNearestNeighbour) continue;
    tour.methods.push_back(search.Run(method, start));
    if (tour.methods.back().length >= tour.report.tour_length) continue;
    tour.method = method;
    tour.report.order = tour.methods.back().order;
    search.Measure(tour.report);
  }
  return tour;
}

}  // namespace scanserve::order
