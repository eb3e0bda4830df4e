#include "core/order/correlation_tour.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <Eigen/Dense>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/order/pairwise_sum.h"
#include "core/order/row_sample.h"

namespace scanserve::order {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <typename T>
T Mean(absl::Span<const T> values) {
  return PairwiseSum(values.data(), values.size()) / static_cast<T>(values.size());
}

// Of the population.
template <typename T>
T StandardDeviation(absl::Span<const T> values) {
  const T mean = Mean(values);
  std::vector<T> squares(values.size());
  std::ranges::transform(values, squares.begin(),
                         [mean](T value) { return (value - mean) * (value - mean); });
  return std::sqrt(Mean(absl::MakeConstSpan(squares)));
}

// Picked rows after the z-score in float32, widened and centred: what Pearson's formula multiplies.
Matrix CentredRows(const base::FloatMatrix& states, const std::vector<int64_t>& picked) {
  Matrix centred(static_cast<Eigen::Index>(picked.size()), states.columns);
  for (Eigen::Index i = 0; i < centred.rows(); ++i) {
    const absl::Span<const float> row = states.row(picked[static_cast<size_t>(i)]);
    const float mean = Mean(row);
    const float scale = StandardDeviation(row) + 1e-8F;
    std::transform(row.begin(), row.end(), centred.row(i).data(), [mean, scale](float value) {
      return static_cast<double>((value - mean) / scale);
    });
    const absl::Span<const double> wide(centred.row(i).data(), row.size());
    centred.row(i).array() -= Mean(wide);
  }
  return centred;
}

// 1 - |r| of every two rows; r is 0 where a row is constant or not finite.
Matrix Distances(const Matrix& centred) {
  Matrix r = Matrix::Zero(centred.rows(), centred.rows());
  r.selfadjointView<Eigen::Lower>().rankUpdate(centred);
  r.triangularView<Eigen::StrictlyUpper>() = r.transpose();
  r *= 1.0 / static_cast<double>(centred.cols() - 1);
  const Eigen::VectorXd deviation = r.diagonal().cwiseSqrt();
  r.array().colwise() /= deviation.array();
  r.array().rowwise() /= deviation.transpose().array();
  return r.unaryExpr(
      [](double value) { return std::isnan(value) ? 1.0 : 1.0 - std::min(std::abs(value), 1.0); });
}

std::vector<int32_t> NearestNeighbourTour(const Matrix& distances) {
  const auto rows = static_cast<int32_t>(distances.rows());
  std::vector<int32_t> left(static_cast<size_t>(rows));  // ascending, so ties find the smaller
  std::iota(left.begin(), left.end(), 0);
  std::vector<int32_t> tour;
  tour.reserve(left.size());
  auto next = left.begin();
  while (true) {
    const int32_t here = *next;
    tour.push_back(here);
    left.erase(next);
    if (left.empty()) return tour;
    next = std::ranges::min_element(left, {}, [&](int32_t row) { return distances(here, row); });
  }
}

double PathLength(const Matrix& distances, absl::Span<const int32_t> path) {
  double length = 0;
  for (size_t k = 1; k < path.size(); ++k) length += distances(path[k - 1], path[k]);
  return length;
}

void Measure(const Matrix& distances, TourReport& report) {
  const absl::Span<const double> all(distances.data(), static_cast<size_t>(distances.size()));
  report.mean_distance = Mean(all);
  report.distance_deviation = StandardDeviation(all);
  std::vector<int32_t> natural(report.order.size());
  std::iota(natural.begin(), natural.end(), 0);
  report.natural_length = PathLength(distances, natural);
  report.tour_length = PathLength(distances, report.order);
  if (report.natural_length > 0) {
    report.improvement_percent =
        (report.natural_length - report.tour_length) / report.natural_length * 100;
  }
}

}  // namespace

absl::StatusOr<TourReport> CorrelationTour(const base::FloatMatrix& hidden_states) {
  if (hidden_states.rows < 1 || hidden_states.columns < 1) {
    return absl::InvalidArgumentError(absl::StrCat("hidden states: shape (", hidden_states.rows,
                                                   ", ", hidden_states.columns,
                                                   "), expected at least one row and column"));
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<int64_t> picked = SampleRows(hidden_states.rows, kMaxTourRows);
  const Matrix distances = Distances(CentredRows(hidden_states, picked));
  TourReport report;
  report.rows = hidden_states.rows;
  report.columns = hidden_states.columns;
  report.rows_used = static_cast<int64_t>(picked.size());
  report.order = NearestNeighbourTour(distances);
  Measure(distances, report);
  report.elapsed = absl::FromChrono(std::chrono::steady_clock::now() - start);
  return report;
}

}  // namespace scanserve::order
