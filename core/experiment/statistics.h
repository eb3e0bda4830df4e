// All that an experiment has seen, what follows from it, and whether a rule ends it.
//
// It is made of counts and sums in the order in which units came: what was saved and read again
// gives the same bits as if nothing had happened in between.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/experiment/answer_drift.h"
#include "core/experiment/arm_difference.h"
#include "core/experiment/design.h"
#include "core/experiment/sample_ratio.h"
#include "core/experiment/shadow_scores.h"
#include "core/experiment/stop.h"
#include "core/experiment/unit_table.h"

namespace scanserve::experiment {

// Units of both arms at which intervals are narrowest.
inline constexpr double kTunedUnits = 1'000;

// The units of an arm that are not excluded, and what their requests add up to.
struct ArmTotals {
  int64_t units = 0;
  RequestSums sums;
};

// Not thread-safe. Calls that may end the experiment say so; what comes after that is not its
// business any more.
class Statistics {
 public:
  // `design` is valid.
  explicit Statistics(Design design);
  // What Save gave for the same design. FAILED_PRECONDITION for anything else.
  static absl::StatusOr<Statistics> Restore(Design design, absl::string_view saved);
  std::string Save() const;

  // A request of `unit` was sent to `arm`.
  std::optional<Stop> Expose(const UnitKey& unit, size_t arm, absl::Time now);
  // And has ended.
  std::optional<Stop> Record(const UnitKey& unit, const Outcome& outcome, absl::Time now);

  // A request took part; whether its prompt is scored under `arm`, which has a shadow.
  void CountEligible(size_t arm, bool sampled) { shadows_[arm].CountEligible(sampled); }
  void CountDropped(size_t arm, ShadowDrop drop) { shadows_[arm].CountDropped(drop); }
  // Its prompt was scored.
  std::optional<Stop> AddPaired(size_t arm, const UnitKey& unit,
                                const compare::PairedCluster& cluster, absl::Time now);

  // What the control and `arm`, which has a shadow, answered. Nothing above reads it.
  PairDrift& drift(size_t arm) { return drifts_[arm]; }
  const PairDrift& drift(size_t arm) const { return drifts_[arm]; }

  std::optional<Stop> CheckTime(absl::Time created, absl::Time now) const;

  // All of it as it is now, for reading on any thread while more comes in here. It costs little:
  // a copy of the clusters of the paired scores, and of each thousand units, answers and such when
  // the first of them changes.
  std::unique_ptr<const Statistics> Share();

  const Design& design() const { return design_; }
  const SampleRatio& sample_ratio() const { return ratio_; }
  const UnitTable& units() const { return units_; }
  const ShadowScores& shadow(size_t arm) const { return shadows_[arm]; }
  // Empty: verdicts of the arm's paired scores count.
  std::string NoVerdictReason(size_t arm) const;
  // One for each arm, in one pass over the units. `metric` is one of kUnitMetrics.
  std::vector<ArmTotals> TotalsOfArms() const;
  std::vector<compare::RatioEstimate> EstimatesOfArms(Metric metric) const;

 private:
  std::optional<Stop> CheckGuardrails(absl::Time now) const;
  std::optional<Stop> CheckGuardrail(const Guardrail& guardrail, absl::Time now) const;
  std::optional<Stop> CheckPaired(size_t arm, const compare::ComparisonLook& look,
                                  absl::Time now) const;
  bool AllEquivalent(absl::Time now) const;

  Design design_;
  SampleRatio ratio_;
  UnitTable units_;
  // One for each arm; the control's stays empty.
  std::vector<ShadowScores> shadows_;
  std::vector<PairDrift> drifts_;
  int64_t recorded_ = 0;
  int64_t last_look_ = 0;
};

}  // namespace scanserve::experiment
