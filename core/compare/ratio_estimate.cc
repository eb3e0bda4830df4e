#include "core/compare/ratio_estimate.h"

#include <cmath>

namespace scanserve::compare {
namespace {

// The second pass, over distances from R.
void AddErrors(absl::Span<const PairedCluster> clusters, RatioEstimate& estimate) {
  double squares = 0;
  double cubes = 0;
  double left_out = 0;
  double token_squares = 0;
  for (const PairedCluster& cluster : clusters) {
    const double error = cluster.difference - estimate.ratio * cluster.tokens;
    squares += error * error;
    cubes += error * error * error;
    const double shift = error / (estimate.tokens - cluster.tokens);
    left_out += shift * shift;
    token_squares += cluster.spread + error * error / cluster.tokens;
  }
  const auto n = static_cast<double>(clusters.size());
  estimate.linearised_error = std::sqrt(n / (n - 1) * squares) / estimate.tokens;
  estimate.jackknife_error = std::sqrt((n - 1) / n * left_out);
  const double mean_square = squares / n;
  if (mean_square > 0) estimate.skewness = cubes / n / (mean_square * std::sqrt(mean_square));
  const double independent = token_squares / (estimate.tokens - 1) / estimate.tokens;
  if (independent > 0) {
    estimate.design_effect = estimate.jackknife_error * estimate.jackknife_error / independent;
  }
}

}  // namespace

RatioEstimate EstimateRatio(absl::Span<const PairedCluster> clusters) {
  RatioEstimate estimate;
  if (clusters.empty()) return estimate;
  double difference = 0;
  double token_squares = 0;
  double means = 0;
  for (const PairedCluster& cluster : clusters) {
    difference += cluster.difference;
    estimate.tokens += cluster.tokens;
    token_squares += cluster.tokens * cluster.tokens;
    means += cluster.difference / cluster.tokens;
    if (cluster.differs()) ++estimate.differing_clusters;
  }
  estimate.clusters = static_cast<int64_t>(clusters.size());
  estimate.ratio = difference / estimate.tokens;
  estimate.cluster_mean = means / static_cast<double>(clusters.size());
  estimate.effective_clusters = estimate.tokens * estimate.tokens / token_squares;
  if (clusters.size() > 1) AddErrors(clusters, estimate);
  return estimate;
}

}  // namespace scanserve::compare
