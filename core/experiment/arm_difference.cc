#include "core/experiment/arm_difference.h"

#include <cmath>
#include <limits>

namespace scanserve::experiment {
namespace {

compare::PairedCluster ClusterOf(const RequestSums& sums, Metric metric) {
  if (metric == Metric::kErrors) {
    return {static_cast<double>(sums.errors), static_cast<double>(sums.requests), 0};
  }
  const LogSum& latency = sums.latencies[static_cast<size_t>(metric)];
  return {latency.sum, static_cast<double>(latency.count), 0};
}

// Third central moment of the mean over the clusters.
double ThirdMoment(const compare::RatioEstimate& estimate) {
  return estimate.skewness / std::sqrt(static_cast<double>(estimate.clusters)) *
         std::pow(estimate.jackknife_error, 3);
}

}  // namespace

std::vector<std::vector<compare::PairedCluster>> ClustersOfArms(const base::BlockList<Unit>& units,
                                                                size_t arms, Metric metric) {
  std::vector<std::vector<compare::PairedCluster>> clusters(arms);
  for (size_t i = 0; i < units.size(); ++i) {
    const Unit& unit = units[i];
    if (unit.excluded) continue;
    const compare::PairedCluster cluster = ClusterOf(unit.sums, metric);
    if (cluster.tokens > 0) clusters[unit.arm].push_back(cluster);
  }
  return clusters;
}

double ArmDifference::error() const {
  return std::hypot(control.jackknife_error, arm.jackknife_error);
}

double ArmDifference::skewness() const {
  const double deviation = error();
  if (deviation == 0) return 0;
  return (ThirdMoment(arm) - ThirdMoment(control)) / std::pow(deviation, 3);
}

compare::Interval ArmDifference::AnytimeInterval(double alpha, double tuned_units) const {
  if (!defined()) return {};
  const double radius =
      compare::AnytimeRadius(units(), alpha, compare::MixtureScale(alpha, tuned_units));
  if (std::isinf(radius)) return {};
  return compare::HullInterval(value(), error(), skewness(), radius);
}

double ArmDifference::AnytimeLowerBound(double alpha, double tuned_units) const {
  if (!defined()) return -std::numeric_limits<double>::infinity();
  const double radius =
      compare::AnytimeOneSidedRadius(units(), alpha, compare::MixtureScale(2 * alpha, tuned_units));
  return compare::HullInterval(value(), error(), skewness(), radius).low;
}

}  // namespace scanserve::experiment
