#include "server/convert_experiment.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/convert_compare.h"
#include "server/convert_scan.h"
#include "server/convert_time.h"

namespace scanserve::server {
namespace {

using experiment::Metric;
using experiment::Statistics;

v1::ExperimentMetric MetricToProto(Metric metric) {
  switch (metric) {
    case Metric::kTimeToFirstToken:
      return v1::EXPERIMENT_METRIC_TIME_TO_FIRST_TOKEN;
    case Metric::kInterTokenLatency:
      return v1::EXPERIMENT_METRIC_INTER_TOKEN_LATENCY;
    case Metric::kDuration:
      return v1::EXPERIMENT_METRIC_DURATION;
    case Metric::kErrors:
      return v1::EXPERIMENT_METRIC_ERRORS;
    case Metric::kPerplexity:
      return v1::EXPERIMENT_METRIC_PERPLEXITY;
  }
  return v1::EXPERIMENT_METRIC_UNSPECIFIED;
}

absl::StatusOr<Metric> MetricFromProto(v1::ExperimentMetric metric) {
  switch (metric) {
    case v1::EXPERIMENT_METRIC_TIME_TO_FIRST_TOKEN:
      return Metric::kTimeToFirstToken;
    case v1::EXPERIMENT_METRIC_INTER_TOKEN_LATENCY:
      return Metric::kInterTokenLatency;
    case v1::EXPERIMENT_METRIC_DURATION:
      return Metric::kDuration;
    case v1::EXPERIMENT_METRIC_ERRORS:
      return Metric::kErrors;
    case v1::EXPERIMENT_METRIC_PERPLEXITY:
      return Metric::kPerplexity;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("design.guardrails.metric: ", static_cast<int>(metric), " is not a metric"));
  }
}

v1::StopReason ReasonToProto(experiment::StopReason reason) {
  switch (reason) {
    case experiment::StopReason::kRequest:
      return v1::STOP_REASON_REQUEST;
    case experiment::StopReason::kVerdict:
      return v1::STOP_REASON_VERDICT;
    case experiment::StopReason::kEquivalence:
      return v1::STOP_REASON_EQUIVALENCE;
    case experiment::StopReason::kMaxUnits:
      return v1::STOP_REASON_MAX_UNITS;
    case experiment::StopReason::kMaxTime:
      return v1::STOP_REASON_MAX_TIME;
    case experiment::StopReason::kGuardrail:
      return v1::STOP_REASON_GUARDRAIL;
    case experiment::StopReason::kSampleRatio:
      return v1::STOP_REASON_SAMPLE_RATIO;
    case experiment::StopReason::kArmLost:
      return v1::STOP_REASON_ARM_LOST;
  }
  return v1::STOP_REASON_UNSPECIFIED;
}

v1::SampleRatioState RatioStateToProto(experiment::RatioState state) {
  switch (state) {
    case experiment::RatioState::kOk:
      return v1::SAMPLE_RATIO_STATE_OK;
    case experiment::RatioState::kWarning:
      return v1::SAMPLE_RATIO_STATE_WARNING;
    case experiment::RatioState::kInvalid:
      return v1::SAMPLE_RATIO_STATE_INVALID;
  }
  return v1::SAMPLE_RATIO_STATE_UNSPECIFIED;
}

absl::Status RulesFromProto(const v1::StopRules& proto, experiment::StopRules& rules) {
  rules.verdict = proto.verdict();
  rules.equivalence = proto.equivalence();
  rules.sample_ratio = proto.sample_ratio();
  if (proto.has_max_units()) rules.max_units = proto.max_units();
  if (!proto.has_max_time()) return absl::OkStatus();
  const auto& time = proto.max_time();
  rules.max_time = absl::Seconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  // The store keeps it in nanoseconds.
  if (rules.max_time <= absl::Hours(24 * 3650)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("design.stop.max_time: ", time.seconds(), " s, expected at most 3,650 days"));
}

v1::StopRules RulesToProto(const experiment::StopRules& rules) {
  v1::StopRules proto;
  proto.set_verdict(rules.verdict);
  proto.set_equivalence(rules.equivalence);
  proto.set_sample_ratio(rules.sample_ratio);
  proto.set_max_units(rules.max_units);
  if (rules.max_time != absl::InfiniteDuration()) {
    *proto.mutable_max_time() = DurationToProto(rules.max_time);
  }
  return proto;
}

v1::ExperimentDesign DesignToProto(const store::ExperimentRecord& record) {
  const experiment::Design& design = record.design;
  v1::ExperimentDesign proto;
  proto.set_id(design.id);
  proto.set_salt(design.salt);
  for (size_t i = 0; i < design.arms.size(); ++i) {
    const store::ExperimentArm& serves = record.arms[i];
    v1::ExperimentArm& arm = *proto.add_arms();
    arm.set_name(design.arms[i].name);
    arm.set_weight(design.arms[i].weight);
    arm.set_shadow(design.arms[i].shadow);
    *arm.mutable_scan()->mutable_setting() = ScanSettingToProto(serves.scan);
    if (serves.adapter_name.empty()) {
      arm.mutable_adapter()->mutable_base();
      continue;
    }
    v1::AdapterRef& ref = *arm.mutable_adapter()->mutable_ref();
    ref.set_name(serves.adapter_name);
    ref.set_version(serves.adapter_version);
    ref.set_digest(serves.adapter_digest);
  }
  proto.set_exposure(design.exposure);
  proto.set_margin(design.margin);
  proto.set_alpha(design.alpha);
  for (const experiment::Guardrail& guardrail : design.guardrails) {
    v1::Guardrail& added = *proto.add_guardrails();
    added.set_metric(MetricToProto(guardrail.metric));
    added.set_margin(guardrail.margin);
  }
  *proto.mutable_stop() = RulesToProto(design.stop);
  return proto;
}

v1::ExperimentStop StopToProto(const experiment::Stop& stop) {
  v1::ExperimentStop proto;
  proto.set_reason(ReasonToProto(stop.reason));
  *proto.mutable_time() = TimestampToProto(stop.time);
  proto.set_observations(stop.observations);
  proto.set_arm(stop.arm);
  if (stop.metric) proto.set_metric(MetricToProto(*stop.metric));
  if (stop.interval && std::isfinite(stop.interval->low)) proto.set_low(stop.interval->low);
  if (stop.interval && std::isfinite(stop.interval->high)) proto.set_high(stop.interval->high);
  return proto;
}

v1::MetricEstimate MetricEstimateToProto(Metric metric, size_t arm,
                                         const experiment::ArmDifference& difference,
                                         double alpha) {
  v1::MetricEstimate proto;
  proto.set_metric(MetricToProto(metric));
  proto.set_units(difference.arm.clusters);
  if (metric == Metric::kErrors) {
    proto.set_mean(difference.arm.ratio);
  } else if (difference.arm.clusters > 0) {
    proto.set_mean(std::exp(difference.arm.ratio));
  }
  if (arm == 0 || !difference.defined()) return proto;
  proto.set_difference(difference.value());
  const compare::Interval interval = difference.AnytimeInterval(alpha, experiment::kTunedUnits);
  // Where nothing varies the interval has no width and proves nothing.
  if (!interval.bounded() || difference.error() == 0) return proto;
  proto.set_low(interval.low);
  proto.set_high(interval.high);
  return proto;
}

v1::Drift DriftToProto(const experiment::AnswerDrift& drift, double alpha) {
  const experiment::DriftCounts& counts = drift.counts();
  const compare::RatioEstimate estimate = drift.estimate();
  v1::Drift proto;
  proto.set_answers(counts.answers);
  proto.set_scored(counts.scored);
  proto.set_dropped_queue_full(counts.dropped.queue_full);
  proto.set_dropped_unscorable(counts.dropped.unscorable);
  proto.set_dropped_failed(counts.dropped.failed);
  proto.set_units(estimate.clusters);
  proto.set_tokens(static_cast<int64_t>(estimate.tokens));
  if (estimate.clusters == 0) return proto;
  proto.set_nats_per_token(estimate.ratio);
  proto.set_other_choices(static_cast<double>(counts.other_choices) / estimate.tokens);
  const compare::Interval interval = experiment::AnswerDrift::AnytimeInterval(estimate, alpha);
  if (!interval.bounded()) return proto;
  proto.set_low(interval.low);
  proto.set_high(interval.high);
  return proto;
}

v1::ShadowResults ShadowResultsToProto(const Statistics& statistics, size_t arm) {
  const experiment::ShadowScores& shadow = statistics.shadow(arm);
  const experiment::ShadowCounts& counts = shadow.counts();
  v1::ShadowResults proto;
  proto.set_eligible(counts.eligible);
  proto.set_sampled(counts.sampled);
  proto.set_scored(counts.scored);
  proto.set_dropped_queue_full(counts.dropped.queue_full);
  proto.set_dropped_unscorable(counts.dropped.unscorable);
  proto.set_dropped_failed(counts.dropped.failed);
  proto.set_no_verdict_reason(statistics.NoVerdictReason(arm));
  const bool with_verdict = proto.no_verdict_reason().empty();
  *proto.mutable_estimate() =
      EstimateToProto(shadow.comparison(), shadow.Peek(absl::Now()), with_verdict);
  if (with_verdict && shadow.comparison().first_verdict()) {
    *proto.mutable_first_verdict() = FirstVerdictToProto(*shadow.comparison().first_verdict());
  }
  const experiment::PairDrift& drift = statistics.drift(arm);
  const double alpha = statistics.design().alpha_of_arm();
  *proto.mutable_drift_of_control() = DriftToProto(drift.of_control, alpha);
  *proto.mutable_drift_of_arm() = DriftToProto(drift.of_arm, alpha);
  return proto;
}

v1::ArmResults ArmResultsToProto(const Statistics& statistics, size_t arm,
                                 const experiment::ArmTotals& totals) {
  const experiment::DesignArm& design = statistics.design().arms[arm];
  const experiment::RequestSums& sums = totals.sums;
  v1::ArmResults proto;
  proto.set_name(design.name);
  proto.set_units(totals.units);
  proto.set_requests(sums.requests);
  proto.set_errors(sums.errors);
  proto.set_cancelled(sums.cancelled);
  proto.set_unsticky(sums.unsticky);
  proto.set_prompt_tokens(sums.prompt_tokens);
  proto.set_generated_tokens(sums.generated_tokens);
  if (design.shadow > 0) *proto.mutable_shadow() = ShadowResultsToProto(statistics, arm);
  return proto;
}

}  // namespace

absl::StatusOr<experiment::Design> DesignFromProto(const v1::ExperimentDesign& proto) {
  experiment::Design design;
  design.id = proto.id();
  design.salt = proto.salt();
  for (const v1::ExperimentArm& arm : proto.arms()) {
    design.arms.push_back({arm.name(), arm.weight(), arm.shadow()});
  }
  if (proto.has_exposure()) design.exposure = proto.exposure();
  if (proto.has_margin()) design.margin = proto.margin();
  if (proto.has_alpha()) design.alpha = proto.alpha();
  for (const v1::Guardrail& guardrail : proto.guardrails()) {
    SCANSERVE_ASSIGN_OR_RETURN(const Metric metric, MetricFromProto(guardrail.metric()));
    design.guardrails.push_back({metric, guardrail.margin()});
  }
  SCANSERVE_RETURN_IF_ERROR(RulesFromProto(proto.stop(), design.stop));
  return design;
}

v1::Experiment ExperimentToProto(const store::ExperimentRecord& record) {
  v1::Experiment proto;
  *proto.mutable_design() = DesignToProto(record);
  *proto.mutable_created() = TimestampToProto(record.created);
  if (record.stop) *proto.mutable_stop() = StopToProto(*record.stop);
  proto.set_assignment(record.assignment);
  return proto;
}

v1::ExperimentResults ExperimentResultsToProto(const Statistics& statistics) {
  v1::ExperimentResults proto;
  const std::vector<experiment::ArmTotals> totals = statistics.TotalsOfArms();
  for (size_t arm = 0; arm < totals.size(); ++arm) {
    *proto.add_arms() = ArmResultsToProto(statistics, arm, totals[arm]);
  }
  const double alpha = statistics.design().alpha_of_arm();
  for (const Metric metric : experiment::kUnitMetrics) {
    const std::vector<compare::RatioEstimate> estimates = statistics.EstimatesOfArms(metric);
    for (size_t arm = 0; arm < totals.size(); ++arm) {
      *proto.mutable_arms(static_cast<int>(arm))->add_metrics() =
          MetricEstimateToProto(metric, arm, {estimates[0], estimates[arm]}, alpha);
    }
  }
  const experiment::SampleRatio& ratio = statistics.sample_ratio();
  const experiment::ChiSquared chi = ratio.chi_squared();
  proto.mutable_sample_ratio()->set_state(RatioStateToProto(ratio.state()));
  proto.mutable_sample_ratio()->set_p(ratio.min_p());
  proto.mutable_sample_ratio()->set_chi_squared(chi.statistic);
  proto.mutable_sample_ratio()->set_degrees_of_freedom(chi.degrees_of_freedom);
  proto.set_excluded_units(statistics.units().excluded());
  return proto;
}

}  // namespace scanserve::server
