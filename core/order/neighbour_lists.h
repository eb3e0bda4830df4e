// The nearest rows of each row.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/base/thread_pool.h"
#include "core/order/row_distance.h"

namespace scanserve::order {

struct NeighbourLists {
  int32_t per_row = 0;            // min(the number asked for, rows - 1)
  std::vector<int32_t> rows;      // [rows, per_row], nearest first, ties to the smaller row
  double mean_distance = 0;       // over the whole matrix, its diagonal too
  double distance_deviation = 0;  // population standard deviation of the same

  absl::Span<const int32_t> Of(int32_t row) const {
    const auto count = static_cast<size_t>(per_row);
    return absl::MakeConstSpan(rows).subspan(static_cast<size_t>(row) * count, count);
  }
};

// Computes all distances in blocks and holds one block a thread: 64 rows. The same for any number
// of threads.
NeighbourLists FindNeighbours(const RowDistances& distances, int32_t per_row,
                              base::ThreadPool& threads);

}  // namespace scanserve::order
