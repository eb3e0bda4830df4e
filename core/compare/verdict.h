// What may be said of a comparison, read off one interval.
//
// All claims come from the same interval, so that one error rate covers them together, and a margin
// chosen afterwards stays valid.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "core/compare/confidence.h"
#include "core/compare/ratio_estimate.h"

namespace scanserve::compare {

enum class Verdict {
  kUndecided,
  kEquivalent,  // the difference is smaller than the margin
  kBetter,      // B is better than A
  kWorse,
};

// What a verdict still waits for.
enum class Gate {
  kNone,               // nothing: undecided because of the interval alone
  kClusters,           // at least 50
  kEffectiveClusters,  // at least 30
  kSkewness,           // at least 25 gamma^2 clusters (Cochran's rule)
  kDifferingClusters,  // at least 30, before two arms are called equivalent
};

struct Assessment {
  Verdict verdict = Verdict::kUndecided;
  // Equivalent since not one token was scored differently: a fact about this text, without
  // interval.
  bool identical = false;
  // Better or worse by more than the margin.
  bool beyond_margin = false;
  // Whatever the verdict: B is not worse than A by the margin or more.
  bool not_worse = false;
  Gate gate = Gate::kNone;
  // Of the gate: clusters that there are, and that there must be.
  double gate_has = 0;
  double gate_needs = 0;
};

// `margin` in nats per token, above 0.
Assessment Assess(const RatioEstimate& estimate, const Interval& interval, double margin);

// The smallest n at which an interval of `radius_at`(n) standard errors tells an effect of `effect`
// from 0 in 80 % of all cases, when single clusters deviate by `deviation`: (r + 0.8416) s /
// sqrt(n)
// <= effect. Nothing when ten million are not enough.
std::optional<int64_t> ClustersNeeded(double effect, double deviation,
                                      const std::function<double(int64_t clusters)>& radius_at);

}  // namespace scanserve::compare
