#include "core/compare/paired_comparison.h"

#include <algorithm>
#include <cmath>

namespace scanserve::compare {
namespace {

constexpr int64_t kLooksAtEach = 1000;
constexpr int64_t kClustersBeforeStop = 100;
// Of alpha, under the hybrid plan.
constexpr double kLookShare = 0.2;

bool PassesGates(const Assessment& assessment) {
  return !assessment.identical &&
         (assessment.gate == Gate::kNone || assessment.gate == Gate::kDifferingClusters);
}

}  // namespace

void PairedComparison::Add(const PairedCluster& cluster) {
  if (cluster.tokens > 0) state_.clusters.push_back(cluster);
}

void PairedComparison::MergeInto(int64_t cluster, const PairedCluster& more) {
  state_.clusters[static_cast<size_t>(cluster)].Merge(more);
}

bool PairedComparison::IsLookDue() const {
  return clusters() > state_.last_look &&
         (clusters() <= kLooksAtEach || clusters() - state_.last_look >= clusters() / 100);
}

ComparisonLook PairedComparison::Look(absl::Time now) { return LookWith(false, now); }

ComparisonLook PairedComparison::LookAtEnd(absl::Time now) { return LookWith(true, now); }

double PairedComparison::LookAlpha() const {
  return options_.plan == Plan::kHybrid ? options_.alpha * kLookShare : options_.alpha;
}

double PairedComparison::RadiusOfLook(int64_t clusters) const {
  return AnytimeRadius(clusters, LookAlpha(), MixtureScale(LookAlpha(), options_.tuned_clusters));
}

double PairedComparison::RadiusAtEnd(int64_t clusters) const {
  if (options_.plan == Plan::kOpenEnded) return RadiusOfLook(clusters);
  return FixedRadius(clusters, options_.alpha - LookAlpha());
}

ComparisonLook PairedComparison::LookWith(bool at_end, absl::Time now) {
  state_.last_look = clusters();
  ComparisonLook look;
  look.at_end = at_end;
  look.estimate = EstimateRatio(state_.clusters);
  if (clusters() > 1) {
    look.interval =
        HullInterval(look.estimate, at_end ? RadiusAtEnd(clusters()) : RadiusOfLook(clusters()));
  }
  look.assessment = Assess(look.estimate, look.interval, options_.margin);
  Remember(look, now);
  return look;
}

void PairedComparison::Remember(ComparisonLook& look, absl::Time now) {
  if (PassesGates(look.assessment)) {
    state_.intersection.low = std::max(state_.intersection.low, look.interval.low);
    state_.intersection.high = std::min(state_.intersection.high, look.interval.high);
  }
  look.contradiction = state_.intersection.low > state_.intersection.high;
  const bool decided = look.assessment.verdict != Verdict::kUndecided && !look.assessment.identical;
  look.may_stop = decided && clusters() >= kClustersBeforeStop;
  if (decided && !state_.first_verdict)
    state_.first_verdict = {look.assessment.verdict, clusters(), now};
}

std::optional<int64_t> PairedComparison::ClustersToDecide(const RatioEstimate& estimate) const {
  if (estimate.jackknife_error == 0) return std::nullopt;
  const double distance = std::abs(estimate.ratio);
  const double deviation =
      estimate.jackknife_error * std::sqrt(static_cast<double>(estimate.clusters));
  return ClustersNeeded(std::max(distance, options_.margin - distance), deviation,
                        [this](int64_t n) { return RadiusAtEnd(n); });
}

}  // namespace scanserve::compare
