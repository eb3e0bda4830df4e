#include "core/order/neighbour_lists.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace scanserve::order {
namespace {

constexpr int32_t kBlockRows = 64;

struct Moments {
  double sum = 0;
  double squares = 0;
};

// The lists of one row, from its distances to all rows.
void Select(int32_t row, absl::Span<const float> distances, std::vector<int32_t>& others,
            NeighbourLists& lists) {
  const auto nearer = [distances](int32_t a, int32_t b) {
    const float to_a = distances[static_cast<size_t>(a)];
    const float to_b = distances[static_cast<size_t>(b)];
    return to_a != to_b ? to_a < to_b : a < b;
  };
  others.resize(distances.size());
  std::iota(others.begin(), others.end(), 0);
  others.erase(others.begin() + row);
  const auto end = others.begin() + lists.per_row;
  std::nth_element(others.begin(), end, others.end(), nearer);
  std::sort(others.begin(), end, nearer);
  const size_t first = static_cast<size_t>(row) * static_cast<size_t>(lists.per_row);
  std::copy(others.begin(), end, lists.rows.begin() + static_cast<int64_t>(first));
}

}  // namespace

NeighbourLists FindNeighbours(const RowDistances& distances, int32_t per_row,
                              base::ThreadPool& threads) {
  const int32_t rows = distances.rows();
  const auto width = static_cast<size_t>(rows);
  NeighbourLists lists;
  lists.per_row = std::min(per_row, rows - 1);
  lists.rows.resize(width * static_cast<size_t>(lists.per_row));
  std::vector<Moments> moments(width);
  const int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  threads.ParallelFor(blocks, /*smallest_range=*/1, [&](int64_t first, int64_t last) {
    std::vector<float> block(kBlockRows * width);
    std::vector<int32_t> others;
    for (int64_t number = first; number < last; ++number) {
      const auto begin = static_cast<int32_t>(number) * kBlockRows;
      const int32_t end = std::min(begin + kBlockRows, rows);
      distances.Block(begin, end, block.data());
      for (int32_t row = begin; row < end; ++row) {
        const absl::Span<const float> to_all =
            absl::MakeConstSpan(block).subspan(static_cast<size_t>(row - begin) * width, width);
        Moments& of_row = moments[static_cast<size_t>(row)];
        for (const float distance : to_all) {
          of_row.sum += distance;
          of_row.squares += static_cast<double>(distance) * distance;
        }
        Select(row, to_all, others, lists);
      }
    }
  });
  Moments all;
  for (const Moments& of_row : moments) {
    all.sum += of_row.sum;
    all.squares += of_row.squares;
  }
  const double pairs = static_cast<double>(rows) * rows;
  lists.mean_distance = all.sum / pairs;
  lists.distance_deviation =
      std::sqrt(std::max(0.0, all.squares / pairs - lists.mean_distance * lists.mean_distance));
  return lists;
}

}  // namespace scanserve::order
