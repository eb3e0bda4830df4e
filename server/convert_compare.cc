#include "server/convert_compare.h"

#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/compare/bootstrap.h"
#include "server/convert_time.h"

namespace scanserve::server {
namespace {

constexpr int64_t kBootstrapDraws = 2'000;
// With more of them all intervals agree.
constexpr int64_t kMostBootstrapClusters = 1'000;
constexpr uint64_t kBootstrapSeed = 1;

// NaN is in no range.
absl::Status CheckDouble(absl::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("settings.", field, ": ", value, ", expected ", low, " to ", high));
}

v1::CompareVerdict VerdictToProto(compare::Verdict verdict) {
  switch (verdict) {
    case compare::Verdict::kUndecided:
      return v1::COMPARE_VERDICT_UNDECIDED;
    case compare::Verdict::kEquivalent:
      return v1::COMPARE_VERDICT_EQUIVALENT;
    case compare::Verdict::kBetter:
      return v1::COMPARE_VERDICT_BETTER;
    case compare::Verdict::kWorse:
      return v1::COMPARE_VERDICT_WORSE;
  }
  return v1::COMPARE_VERDICT_UNSPECIFIED;
}

v1::CompareGate GateToProto(compare::Gate gate) {
  switch (gate) {
    case compare::Gate::kNone:
      return v1::COMPARE_GATE_UNSPECIFIED;
    case compare::Gate::kClusters:
      return v1::COMPARE_GATE_OBSERVATIONS;
    case compare::Gate::kEffectiveClusters:
      return v1::COMPARE_GATE_EFFECTIVE_OBSERVATIONS;
    case compare::Gate::kSkewness:
      return v1::COMPARE_GATE_SKEWNESS;
    case compare::Gate::kDifferingClusters:
      return v1::COMPARE_GATE_DIFFERING_OBSERVATIONS;
  }
  return v1::COMPARE_GATE_UNSPECIFIED;
}

void AddVerdict(const compare::PairedComparison& comparison, const compare::ComparisonLook& look,
                v1::CompareEstimate& proto) {
  const compare::Assessment& assessment = look.assessment;
  proto.set_verdict(VerdictToProto(assessment.verdict));
  proto.set_identical(assessment.identical);
  proto.set_beyond_margin(assessment.beyond_margin);
  proto.set_not_worse(assessment.not_worse);
  proto.set_contradiction(look.contradiction);
  proto.set_gate(GateToProto(assessment.gate));
  proto.set_gate_has(assessment.gate_has);
  proto.set_gate_needs(assessment.gate_needs);
  if (assessment.verdict != compare::Verdict::kUndecided) return;
  const auto needed = comparison.ClustersToDecide(look.estimate);
  if (needed) proto.set_observations_needed(*needed);
}

}  // namespace

absl::StatusOr<compare::ComparisonOptions> ComparisonOptionsFromProto(
    const v1::CompareSettings& proto) {
  compare::ComparisonOptions options;
  if (proto.has_margin()) options.margin = proto.margin();
  SCANSERVE_RETURN_IF_ERROR(
      CheckDouble("margin", options.margin, std::numeric_limits<double>::min(), 10));
  if (proto.has_alpha()) options.alpha = proto.alpha();
  SCANSERVE_RETURN_IF_ERROR(CheckDouble("alpha", options.alpha, 0.0001, 0.5));
  switch (proto.plan()) {
    case v1::COMPARE_PLAN_UNSPECIFIED:
    case v1::COMPARE_PLAN_HYBRID:
      options.plan = compare::Plan::kHybrid;
      return options;
    case v1::COMPARE_PLAN_OPEN_ENDED:
      options.plan = compare::Plan::kOpenEnded;
      return options;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("settings.plan: ", static_cast<int>(proto.plan()), " is not a plan"));
  }
}

v1::PerplexityMode CompareMode(const v1::CompareSettings& proto) {
  return proto.mode() == v1::PERPLEXITY_MODE_UNSPECIFIED ? v1::PERPLEXITY_MODE_CONTINUATION
                                                         : proto.mode();
}

absl::StatusOr<ScoringRules> CompareRulesFromProto(const v1::CompareSettings& proto,
                                                   int64_t max_prompt_tokens) {
  v1::PerplexitySettings settings;
  settings.set_mode(CompareMode(proto));
  settings.set_window_tokens(proto.window_tokens());
  settings.set_stride_tokens(proto.stride_tokens());
  settings.set_prefix_tokens(proto.prefix_tokens());
  settings.set_per_token(true);
  return ScoringRulesFromProto(settings, max_prompt_tokens);
}

v1::CompareEstimate EstimateToProto(const compare::PairedComparison& comparison,
                                    const compare::ComparisonLook& look, bool with_verdict) {
  const compare::RatioEstimate& estimate = look.estimate;
  v1::CompareEstimate proto;
  proto.set_observations(estimate.clusters);
  proto.set_tokens(static_cast<int64_t>(estimate.tokens));
  proto.set_difference(estimate.ratio);
  proto.set_standard_error(estimate.jackknife_error);
  proto.set_observation_mean(estimate.cluster_mean);
  proto.set_effective_observations(estimate.effective_clusters);
  proto.set_skewness(estimate.skewness);
  proto.set_design_effect(estimate.design_effect);
  proto.set_differing_observations(estimate.differing_clusters);
  proto.set_at_end(look.at_end);
  // Where nothing differs the interval has no width and proves nothing.
  if (look.interval.bounded() && estimate.differing_clusters > 0) {
    proto.set_low(look.interval.low);
    proto.set_high(look.interval.high);
  }
  if (with_verdict) AddVerdict(comparison, look, proto);
  return proto;
}

void AddBootstrap(const compare::PairedComparison& comparison, double alpha,
                  v1::CompareTotals& totals) {
  const std::vector<compare::PairedCluster>& clusters = comparison.state().clusters;
  if (clusters.empty() || comparison.clusters() > kMostBootstrapClusters) return;
  const compare::Interval interval = compare::BcaInterval(
      clusters, compare::BootstrapRatios(clusters, kBootstrapDraws, kBootstrapSeed), alpha);
  if (!interval.bounded()) return;
  totals.set_bootstrap_low(interval.low);
  totals.set_bootstrap_high(interval.high);
}

v1::FirstVerdict FirstVerdictToProto(const compare::FirstVerdict& first) {
  v1::FirstVerdict proto;
  proto.set_verdict(VerdictToProto(first.verdict));
  proto.set_observations(first.clusters);
  *proto.mutable_time() = TimestampToProto(first.time);
  return proto;
}

}  // namespace scanserve::server
