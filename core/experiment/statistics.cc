#include "core/experiment/statistics.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/sha256.h"

namespace scanserve::experiment {
namespace {

constexpr absl::string_view kMagic = "scanserve.experiment.2";
constexpr size_t kDigestBytes = 64;
// As compare::PairedComparison: a look takes time in proportion to the units.
constexpr int64_t kLooksAtEach = 1'000;
constexpr int64_t kGuardedUnits = 100;

std::vector<int64_t> WeightsOf(const Design& design) {
  std::vector<int64_t> weights;
  for (const DesignArm& arm : design.arms) weights.push_back(arm.weight);
  return weights;
}

}  // namespace

Statistics::Statistics(Design design)
    : design_(std::move(design)), ratio_(WeightsOf(design_)), drifts_(design_.arms.size()) {
  for (size_t arm = 0; arm < design_.arms.size(); ++arm) shadows_.emplace_back(design_);
}

// ---- What comes in.

std::optional<Stop> Statistics::Expose(const UnitKey& unit, size_t arm, absl::Time now) {
  if (units_.Expose(unit, arm) != UnitTable::Seen::kFirst) return std::nullopt;
  ratio_.Add(arm);
  Stop stop;
  stop.time = now;
  stop.observations = ratio_.units();
  if (design_.stop.sample_ratio && ratio_.state() == RatioState::kInvalid) {
    stop.reason = StopReason::kSampleRatio;
    return stop;
  }
  if (ratio_.units() < design_.stop.max_units) return std::nullopt;
  stop.reason = StopReason::kMaxUnits;
  return stop;
}

std::optional<Stop> Statistics::Record(const UnitKey& unit, const Outcome& outcome,
                                       absl::Time now) {
  units_.Record(unit, outcome);
  ++recorded_;
  if (recorded_ > kLooksAtEach && recorded_ - last_look_ < recorded_ / 100) return std::nullopt;
  last_look_ = recorded_;
  return CheckGuardrails(now);
}

std::optional<Stop> Statistics::AddPaired(size_t arm, const UnitKey& unit,
                                          const compare::PairedCluster& cluster, absl::Time now) {
  const auto look = shadows_[arm].Add(unit, cluster, now);
  if (!look) return std::nullopt;
  return CheckPaired(arm, *look, now);
}

// ---- What ends it.

std::optional<Stop> Statistics::CheckTime(absl::Time created, absl::Time now) const {
  if (now - created < design_.stop.max_time) return std::nullopt;
  Stop stop;
  stop.reason = StopReason::kMaxTime;
  stop.time = now;
  stop.observations = ratio_.units();
  return stop;
}

std::optional<Stop> Statistics::CheckGuardrails(absl::Time now) const {
  for (const Guardrail& guardrail : design_.guardrails) {
    if (guardrail.metric == Metric::kPerplexity) continue;
    std::optional<Stop> stop = CheckGuardrail(guardrail, now);
    if (stop) return stop;
  }
  return std::nullopt;
}

std::optional<Stop> Statistics::CheckGuardrail(const Guardrail& guardrail, absl::Time now) const {
  const double alpha = design_.alpha_of_arm() / static_cast<double>(design_.guardrails.size());
  const std::vector<compare::RatioEstimate> estimates = EstimatesOfArms(guardrail.metric);
  for (size_t arm = 1; arm < design_.arms.size(); ++arm) {
    // What serves nobody harms nobody.
    if (design_.arms[arm].weight == 0) continue;
    const ArmDifference difference = {estimates[0], estimates[arm]};
    if (std::min(difference.control.clusters, difference.arm.clusters) < kGuardedUnits) continue;
    const double bound = difference.AnytimeLowerBound(alpha, kTunedUnits);
    if (bound <= guardrail.margin) continue;
    Stop stop;
    stop.reason = StopReason::kGuardrail;
    stop.time = now;
    stop.observations = difference.units();
    stop.arm = design_.arms[arm].name;
    stop.metric = guardrail.metric;
    stop.interval = compare::Interval{.low = bound};
    return stop;
  }
  return std::nullopt;
}

std::optional<Stop> Statistics::CheckPaired(size_t arm, const compare::ComparisonLook& look,
                                            absl::Time now) const {
  if (!look.may_stop) return std::nullopt;
  Stop stop;
  stop.time = now;
  stop.observations = look.estimate.clusters;
  stop.arm = design_.arms[arm].name;
  stop.metric = Metric::kPerplexity;
  stop.interval = look.interval;
  for (const Guardrail& guardrail : design_.guardrails) {
    // Read off the interval of the verdict, so that it needs no alpha of its own.
    if (guardrail.metric != Metric::kPerplexity || look.interval.low <= guardrail.margin) continue;
    stop.reason = StopReason::kGuardrail;
    return stop;
  }
  if (!NoVerdictReason(arm).empty()) return std::nullopt;
  if (look.assessment.verdict == compare::Verdict::kEquivalent) {
    if (!design_.stop.equivalence || !AllEquivalent(now)) return std::nullopt;
    stop.reason = StopReason::kEquivalence;
    return stop;
  }
  if (!design_.stop.verdict) return std::nullopt;
  stop.reason = StopReason::kVerdict;
  return stop;
}

bool Statistics::AllEquivalent(absl::Time now) const {
  for (size_t arm = 1; arm < shadows_.size(); ++arm) {
    if (design_.arms[arm].shadow == 0) continue;
    const compare::ComparisonLook look = shadows_[arm].Peek(now);
    if (!look.may_stop || look.assessment.verdict != compare::Verdict::kEquivalent) return false;
    if (!NoVerdictReason(arm).empty()) return false;
  }
  return true;
}

// ---- What follows.

std::string Statistics::NoVerdictReason(size_t arm) const {
  if (ratio_.state() == RatioState::kInvalid) {
    return "the sample ratio is invalid: units of some arm are lost";
  }
  if (shadows_[arm].counts().covered()) return "";
  return "less than 95 % of the prompts that were to be scored were";
}

std::vector<ArmTotals> Statistics::TotalsOfArms() const {
  std::vector<ArmTotals> totals(design_.arms.size());
  for (size_t i = 0; i < units_.units().size(); ++i) {
    const Unit& unit = units_.units()[i];
    if (unit.excluded) continue;
    ++totals[unit.arm].units;
    totals[unit.arm].sums.Add(unit.sums);
  }
  return totals;
}

std::vector<compare::RatioEstimate> Statistics::EstimatesOfArms(Metric metric) const {
  std::vector<compare::RatioEstimate> estimates;
  for (const auto& clusters : ClustersOfArms(units_.units(), design_.arms.size(), metric)) {
    estimates.push_back(compare::EstimateRatio(clusters));
  }
  return estimates;
}

std::unique_ptr<const Statistics> Statistics::Share() {
  auto shared = std::make_unique<Statistics>(design_);
  shared->ratio_ = ratio_;
  shared->units_ = units_.Share();
  for (size_t arm = 0; arm < design_.arms.size(); ++arm) {
    shared->shadows_[arm] = shadows_[arm].Share();
    shared->drifts_[arm] = drifts_[arm].Share();
  }
  shared->recorded_ = recorded_;
  shared->last_look_ = last_look_;
  return shared;
}

// ---- What outlives a restart.

std::string Statistics::Save() const {
  base::ByteWriter writer;
  writer.PutBytes(kMagic);
  writer.PutU32(static_cast<uint32_t>(design_.arms.size()));
  writer.PutU64(static_cast<uint64_t>(recorded_));
  writer.PutU64(static_cast<uint64_t>(last_look_));
  for (const double log : ratio_.saved().log_evidence) writer.PutDouble(log);
  writer.PutDouble(ratio_.saved().min_p);
  units_.Write(writer);
  for (const ShadowScores& shadow : shadows_) shadow.Write(writer);
  for (const PairDrift& drift : drifts_) {
    drift.of_control.Write(writer);
    drift.of_arm.Write(writer);
  }
  const std::string digest = base::Sha256Hex(writer.data());
  writer.PutBytes(digest);
  return writer.Take();
}

absl::StatusOr<Statistics> Statistics::Restore(Design design, absl::string_view saved) {
  const absl::Status damaged = absl::FailedPreconditionError("the statistics are damaged");
  if (saved.size() < kDigestBytes) return damaged;
  const absl::string_view content = saved.substr(0, saved.size() - kDigestBytes);
  if (saved.substr(content.size()) != base::Sha256Hex(content)) return damaged;
  Statistics statistics(std::move(design));
  const size_t arms = statistics.design_.arms.size();
  base::ByteReader reader(content);
  if (reader.Bytes(kMagic.size()) != kMagic || reader.U32() != arms) return damaged;
  statistics.recorded_ = static_cast<int64_t>(reader.U64());
  statistics.last_look_ = static_cast<int64_t>(reader.U64());
  SampleRatio::State ratio;
  for (double& log : ratio.log_evidence) log = reader.Double();
  ratio.min_p = reader.Double();
  if (!statistics.units_.Read(reader, arms)) return damaged;
  ratio.counts.resize(arms);
  const base::BlockList<Unit>& units = statistics.units_.units();
  for (size_t i = 0; i < units.size(); ++i) ++ratio.counts[units[i].arm];
  statistics.ratio_ = SampleRatio(WeightsOf(statistics.design_), std::move(ratio));
  for (ShadowScores& shadow : statistics.shadows_) {
    if (!shadow.Read(reader)) return damaged;
  }
  for (PairDrift& drift : statistics.drifts_) {
    if (!drift.of_control.Read(reader) || !drift.of_arm.Read(reader)) return damaged;
  }
  if (!reader.complete()) return damaged;
  return statistics;
}

}  // namespace scanserve::experiment
