// What a computed tour may be chosen by, and the names that people and provenance use for it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/order/row_distance.h"

namespace scanserve::order {

enum class TourMethod {
  kNearestNeighbour,  // from row 0 to the nearest row left; the others start from its tour
  kTwoOpt,            // stretches are turned around while that helps
  kOrOpt,             // and up to 3 rows moved elsewhere
  kOr3Opt,            // and stretches of any length moved, with restarts from changed places
  kGenetic,           // a population of tours, crossed and shortened
};

// Rows that any method takes: 20,000 rows of 768 values are 60 MiB, and all pairs would be 1.6 GB.
inline constexpr int64_t kMaxSearchRows = 20'000;

struct TourProgress {
  TourMethod method;
  absl::Duration elapsed;  // of this method
  int64_t iterations = 0;  // restarts of or-3opt, children of genetic, else 0
  double length = 0;
};

struct TourOptions {
  // Each starts from the nearest-neighbour tour; the shortest result counts.
  std::vector<TourMethod> methods = {TourMethod::kNearestNeighbour};
  RowMetric metric = RowMetric::kAbsoluteCorrelation;
  bool closed = false;  // add the way back to row 0; else the path may end anywhere
  // Longer inputs are sampled evenly; at most kMaxSearchRows.
  int64_t max_rows = 512;
  // Of each method; 2-opt and or-opt end by themselves.
  absl::Duration time_limit = absl::Seconds(10);
  // Restarts or children of each method, 0 is no limit. A search that ends by it gives the same
  // tour for the same seed and threads; one that ends by time need not.
  int64_t iterations = 0;
  int64_t seed = 0;
  int threads = 1;  // 1 or more
  // Called some times a second on the caller's thread; false ends the search with what it has.
  std::function<bool(const TourProgress&)> on_progress;
};

// "nearest-neighbour", "2-opt", "or-opt", "or-3opt", "genetic".
absl::string_view TourMethodName(TourMethod method);
std::optional<TourMethod> ParseTourMethod(absl::string_view name);

// "absolute-correlation", "correlation", "cosine", "euclid".
absl::string_view RowMetricName(RowMetric metric);
std::optional<RowMetric> ParseRowMetric(absl::string_view name);

}  // namespace scanserve::order
