#include "client/scanorder/tour_figures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/order/row_distance.h"
#include "core/order/row_sample.h"

namespace scanserve::client {
namespace {

constexpr int32_t kHeatMapSize = 128;
// Positions whose distances are averaged into the heat map, evenly sampled.
constexpr int64_t kMaxHeatRows = 768;
constexpr size_t kBins = 40;

HeatMap Heat(const order::RowDistances& distances, absl::Span<const int32_t> path) {
  const std::vector<int64_t> sample =
      order::SampleRows(static_cast<int64_t>(path.size()), kMaxHeatRows);
  const auto rows = static_cast<int32_t>(sample.size());
  HeatMap map;
  map.size = std::min(kHeatMapSize, rows);
  const auto width = static_cast<size_t>(map.size);
  std::vector<double> sums(width * width);
  std::vector<int64_t> counts(width * width);
  const auto row_at = [&](int32_t i) {
    return path[static_cast<size_t>(sample[static_cast<size_t>(i)])];
  };
  for (int32_t i = 0; i < rows; ++i) {
    for (int32_t j = 0; j < rows; ++j) {
      const size_t cell = static_cast<size_t>(i) * width / sample.size() * width +
                          static_cast<size_t>(j) * width / sample.size();
      sums[cell] += i == j ? 0 : distances.Between(row_at(i), row_at(j));
      ++counts[cell];
    }
  }
  map.values.resize(sums.size());
  for (size_t cell = 0; cell < sums.size(); ++cell) {
    map.values[cell] = static_cast<float>(sums[cell] / static_cast<double>(counts[cell]));
  }
  return map;
}

std::vector<double> Steps(const order::RowDistances& distances, absl::Span<const int32_t> path) {
  std::vector<double> steps;
  for (size_t k = 1; k < path.size(); ++k) {
    steps.push_back(distances.Between(path[k - 1], path[k]));
  }
  return steps;
}

Histogram Count(absl::Span<const double> values, double largest) {
  Histogram histogram;
  histogram.bin_width = (largest > 0 ? largest : 1) / static_cast<double>(kBins);
  histogram.counts.resize(kBins);
  for (const double value : values) {
    const auto bin = static_cast<size_t>(value / histogram.bin_width);
    ++histogram.counts[std::min(bin, kBins - 1)];
  }
  return histogram;
}

double Largest(absl::Span<const double> values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

void CountMoves(absl::Span<const int32_t> order, TourFigures& figures) {
  std::vector<double> moves;
  for (size_t k = 0; k < order.size(); ++k) {
    moves.push_back(std::abs(static_cast<double>(k) - order[k]));
  }
  figures.moves = Count(moves, Largest(moves));
  figures.mean_move =
      std::accumulate(moves.begin(), moves.end(), 0.0) / static_cast<double>(moves.size());
  std::ranges::sort(moves);
  figures.median_move = static_cast<int64_t>(moves[moves.size() / 2]);
  figures.largest_move = static_cast<int64_t>(moves.back());
}

}  // namespace

TourFigures DrawTour(const base::FloatMatrix& states, const order::TourOptions& options,
                     absl::Span<const int32_t> order) {
  const order::RowDistances distances(states, order::SampleRows(states.rows, options.max_rows),
                                      options.metric);
  std::vector<int32_t> natural(order.size());
  std::iota(natural.begin(), natural.end(), 0);
  TourFigures figures;
  figures.natural = Heat(distances, natural);
  figures.tour = Heat(distances, order);
  const std::vector<double> before = Steps(distances, natural);
  const std::vector<double> after = Steps(distances, order);
  const double largest = std::max(Largest(before), Largest(after));
  figures.natural_steps = Count(before, largest);
  figures.tour_steps = Count(after, largest);
  CountMoves(order, figures);
  return figures;
}

}  // namespace scanserve::client
