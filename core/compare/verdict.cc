#include "core/compare/verdict.h"

#include <cmath>

namespace scanserve::compare {
namespace {

constexpr double kMinClusters = 50;
constexpr double kMinEffectiveClusters = 30;
constexpr double kClustersPerSquaredSkewness = 25;
constexpr double kMinDifferingClusters = 30;
constexpr int64_t kMostClusters = 10'000'000;
// Standard normal quantile of the power, 80 %.
constexpr double kPowerQuantile = 0.8416;

bool Fails(Gate gate, double has, double needs, Assessment& assessment) {
  if (has >= needs) return false;
  assessment.gate = gate;
  assessment.gate_has = has;
  assessment.gate_needs = needs;
  return true;
}

bool FailsAGate(const RatioEstimate& estimate, Assessment& assessment) {
  const auto n = static_cast<double>(estimate.clusters);
  return Fails(Gate::kClusters, n, kMinClusters, assessment) ||
         Fails(Gate::kEffectiveClusters, estimate.effective_clusters, kMinEffectiveClusters,
               assessment) ||
         Fails(Gate::kSkewness, n,
               std::ceil(kClustersPerSquaredSkewness * estimate.skewness * estimate.skewness),
               assessment);
}

}  // namespace

Assessment Assess(const RatioEstimate& estimate, const Interval& interval, double margin) {
  Assessment assessment;
  if (estimate.clusters > 0 && estimate.differing_clusters == 0) {
    assessment.verdict = Verdict::kEquivalent;
    assessment.identical = true;
    assessment.not_worse = true;
    return assessment;
  }
  if (FailsAGate(estimate, assessment)) return assessment;
  assessment.not_worse = interval.high < margin;
  const bool inside = interval.low > -margin && interval.high < margin;
  if (inside && !Fails(Gate::kDifferingClusters, static_cast<double>(estimate.differing_clusters),
                       kMinDifferingClusters, assessment)) {
    assessment.verdict = Verdict::kEquivalent;
  } else if (interval.high < 0) {
    assessment.verdict = Verdict::kBetter;
    assessment.beyond_margin = interval.high < -margin;
  } else if (interval.low > 0) {
    assessment.verdict = Verdict::kWorse;
    assessment.beyond_margin = interval.low > margin;
  }
  return assessment;
}

std::optional<int64_t> ClustersNeeded(double effect, double deviation,
                                      const std::function<double(int64_t clusters)>& radius_at) {
  const auto enough = [&](int64_t n) {
    return (radius_at(n) + kPowerQuantile) * deviation <=
           effect * std::sqrt(static_cast<double>(n));
  };
  int64_t high = 2;
  while (!enough(high)) {
    if (high >= kMostClusters) return std::nullopt;
    high *= 2;
  }
  int64_t low = high / 2;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  if (high > kMostClusters) return std::nullopt;
  return high;
}

}  // namespace scanserve::compare
