// What a report draws of a tour: distances before and after, and how far tokens move.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/base/npy.h"
#include "core/order/tour_options.h"

namespace scanserve::client {

// A square of mean distances between blocks of positions, row-major.
struct HeatMap {
  int32_t size = 0;
  std::vector<float> values;  // [size, size]
};

// Counts of values in bins of equal width from 0 on; the largest value falls into the last bin.
struct Histogram {
  double bin_width = 0;
  std::vector<int64_t> counts;
};

struct TourFigures {
  HeatMap natural;
  HeatMap tour;
  // Of the distances between consecutive rows, in bins of one width.
  Histogram natural_steps;
  Histogram tour_steps;
  // Of |k - order[k]|: how far from its natural place a token is scanned.
  Histogram moves;
  double mean_move = 0;
  int64_t median_move = 0;
  int64_t largest_move = 0;
};

// `order` is a permutation of the rows that `options` takes of `states`. Long tours are sampled for
// the heat maps.
TourFigures DrawTour(const base::FloatMatrix& states, const order::TourOptions& options,
                     absl::Span<const int32_t> order);

}  // namespace scanserve::client
