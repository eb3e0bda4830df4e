// Which rows of a long input a tour is computed from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace scanserve::order {

// NumPy's linspace(0, rows - 1, max_rows) truncated to integers, or all rows when there are no more
// than that; max_rows is 2 or more.
inline std::vector<int64_t> SampleRows(int64_t rows, int64_t max_rows) {
  std::vector<int64_t> sample(static_cast<size_t>(std::min(rows, max_rows)));
  std::iota(sample.begin(), sample.end(), 0);
  if (rows <= max_rows) return sample;
  const double step = static_cast<double>(rows - 1) / static_cast<double>(max_rows - 1);
  for (int64_t& row : sample) row = static_cast<int64_t>(static_cast<double>(row) * step);
  sample.back() = rows - 1;
  return sample;
}

}  // namespace scanserve::order
