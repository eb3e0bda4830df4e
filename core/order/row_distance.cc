#include "core/order/row_distance.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

namespace scanserve::order {
namespace {

constexpr int64_t kLanes = 16;

using ConstRows =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
               Eigen::Unaligned>;
using MutableRows =
    Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

// The row as its metric multiplies it, in float64.
Eigen::VectorXd Scaled(absl::Span<const float> row, RowMetric metric) {
  Eigen::VectorXd wide =
      Eigen::Map<const Eigen::VectorXf>(row.data(), static_cast<Eigen::Index>(row.size()))
          .cast<double>();
  if (!wide.allFinite()) return Eigen::VectorXd::Zero(wide.size());
  if (metric == RowMetric::kEuclid) return wide;
  if (metric != RowMetric::kCosine) {
    // Equal values may leave a mean that differs from them in the last bit.
    if (wide.maxCoeff() == wide.minCoeff()) return Eigen::VectorXd::Zero(wide.size());
    wide.array() -= wide.mean();
  }
  const double norm = wide.norm();
  if (norm == 0) return Eigen::VectorXd::Zero(wide.size());
  return wide / norm;
}

}  // namespace

RowDistances::RowDistances(const base::FloatMatrix& states, absl::Span<const int64_t> picked,
                           RowMetric metric)
    : metric_(metric),
      rows_(static_cast<int32_t>(picked.size())),
      stride_((states.columns + kLanes - 1) / kLanes * kLanes),
      values_(picked.size() * static_cast<size_t>(stride_)) {
  for (size_t i = 0; i < picked.size(); ++i) {
    const Eigen::VectorXd scaled = Scaled(states.row(picked[i]), metric);
    std::transform(scaled.begin(), scaled.end(), values_.data() + i * static_cast<size_t>(stride_),
                   [](double value) { return static_cast<float>(value); });
    if (metric == RowMetric::kEuclid) {
      const float* row = Row(static_cast<int32_t>(i));
      squared_norms_.push_back(Product(row, row));
    }
  }
  if (metric == RowMetric::kEuclid) {
    bound_ = 2 * std::sqrt(*std::max_element(squared_norms_.begin(), squared_norms_.end()));
  }
}

float RowDistances::Product(const float* a, const float* b) const {
  // Lanes of their own let the compiler use whole registers without reordering a sum.
  float sums[kLanes] = {};
  for (int64_t i = 0; i < stride_; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

float RowDistances::FromProduct(float product, int32_t a, int32_t b) const {
  if (metric_ == RowMetric::kAbsoluteCorrelation) return 1 - std::min(std::abs(product), 1.0F);
  if (metric_ != RowMetric::kEuclid) return 1 - std::clamp(product, -1.0F, 1.0F);
  const float squared =
      squared_norms_[static_cast<size_t>(a)] + squared_norms_[static_cast<size_t>(b)] - 2 * product;
  return std::sqrt(std::max(squared, 0.0F));
}

void RowDistances::Block(int32_t begin, int32_t end, float* out) const {
  MutableRows block(out, end - begin, rows_);
  block.noalias() = ConstRows(Row(begin), end - begin, stride_) *
                    ConstRows(values_.data(), rows_, stride_).transpose();
  for (int32_t a = begin; a < end; ++a) {
    for (int32_t b = 0; b < rows_; ++b) {
      block(a - begin, b) = FromProduct(block(a - begin, b), a, b);
    }
  }
}

double PathLength(const RowDistances& distances, absl::Span<const int32_t> path, bool closed) {
  double length = 0;
  for (size_t k = 1; k < path.size(); ++k) length += distances.Between(path[k - 1], path[k]);
  if (closed && path.size() > 1) length += distances.Between(path.back(), path.front());
  return length;
}

}  // namespace scanserve::order
