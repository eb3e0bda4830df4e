#include "server/arm_times.h"

#include "core/compare/confidence.h"
#include "server/convert_time.h"

namespace scanserve::server {

void ArmTimes::Add(absl::Duration a, absl::Duration b) {
  a_ += a;
  b_ += b;
  if (a > absl::ZeroDuration()) {
    documents_.push_back({absl::ToDoubleSeconds(b - a), absl::ToDoubleSeconds(a), 0});
  }
}

void ArmTimes::AddTo(v1::CompareTotals& totals, double alpha) const {
  *totals.mutable_time_a() = DurationToProto(a_);
  *totals.mutable_time_b() = DurationToProto(b_);
  const compare::RatioEstimate estimate = compare::EstimateRatio(documents_);
  if (estimate.clusters < 2) return;
  const compare::Interval interval =
      compare::HullInterval(estimate, compare::FixedRadius(estimate.clusters, alpha));
  totals.set_time_ratio(1 + estimate.ratio);
  totals.set_time_ratio_low(1 + interval.low);
  totals.set_time_ratio_high(1 + interval.high);
}

}  // namespace scanserve::server
