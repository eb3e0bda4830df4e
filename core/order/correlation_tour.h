// The reference method that computes a scan order: a nearest-neighbour tour through hidden states
// whose rows correlate.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/npy.h"

namespace scanserve::order {

// Rows that the reference method looks at; longer inputs are sampled evenly.
inline constexpr int64_t kMaxTourRows = 512;

struct TourReport {
  std::vector<int32_t> order;  // permutation of 0..rows_used-1, starting at 0
  int64_t rows = 0;            // of the input
  int64_t columns = 0;
  int64_t rows_used = 0;          // min(rows, kMaxTourRows)
  double mean_distance = 0;       // over the whole distance matrix
  double distance_deviation = 0;  // population standard deviation of the same
  double natural_length = 0;      // sum of distances between consecutive rows, open path
  double tour_length = 0;         // the same along `order`
  double improvement_percent =
      0;  // how much shorter than the natural path; 0 when that has length 0
  absl::Duration elapsed;
};

// Takes the rows linspace(0, n-1, 512) when n > 512, z-scores each in float32 (population deviation
// + 1e-8), correlates them (Pearson, float64, NaN counts as 0), and walks from row 0 to the nearest
// row left by distance 1 - |r|, ties to the smaller index. Rows with NaN or infinities correlate
// with nothing. INVALID_ARGUMENT when there is no row or no column. Thread-safe.
absl::StatusOr<TourReport> CorrelationTour(const base::FloatMatrix& hidden_states);

}  // namespace scanserve::order
