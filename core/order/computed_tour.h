// Computes a scan order from hidden states by any of the methods, beside the reference method.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/npy.h"
#include "core/order/correlation_tour.h"
#include "core/order/search_watch.h"
#include "core/order/tour_options.h"

namespace scanserve::order {

// What one method found.
struct MethodTour {
  TourMethod method = TourMethod::kNearestNeighbour;
  std::vector<int32_t> order;  // permutation of 0..rows_used-1, starting at 0
  double length = 0;
  double improvement_percent = 0;  // how much shorter than the natural path
  absl::Duration elapsed;          // without what all methods share
  int64_t iterations = 0;          // restarts of or-3opt, children of genetic
  std::vector<TourPoint> history;  // lengths fall from point to point
};

struct ComputedTour {
  TourReport report;  // of the shortest; lengths of a closed tour have the way back
  TourMethod method = TourMethod::kNearestNeighbour;  // that found it
  std::vector<MethodTour> methods;                    // nearest-neighbour first, then as asked for
};

// With the default options this is CorrelationTour. While the distance is 1 - |r|, the path open
// and no more rows in use than the reference takes, the nearest-neighbour tour is the reference's
// too. Where other methods or options are asked for, distances are float32 and lengths sums of
// these in float64.
//
// Memory: n * d * 4 bytes, up to 64 MiB of distances, and lists of some hundred bytes a row.
// INVALID_ARGUMENT when there is no row or no column, and for more than kMaxSearchRows rows in use.
// Thread-safe.
absl::StatusOr<ComputedTour> ComputeTour(const base::FloatMatrix& hidden_states,
                                         const TourOptions& options);

}  // namespace scanserve::order
