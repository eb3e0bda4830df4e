// One metric of one arm against the control's: two sets of units that have nothing to do with each
// other, and how far their means lie apart.
//
// Legend: R_A and R_B the token-weighted means of compare::EstimateRatio, with requests in the
// place of tokens; v = v_A + v_B the variances of their jackknives; n = n_A + n_B units.
#pragma once

#include <vector>

#include "core/base/block_list.h"
#include "core/compare/confidence.h"
#include "core/compare/ratio_estimate.h"
#include "core/experiment/unit_table.h"

namespace scanserve::experiment {

// Of `metric`, for each of `arms` and in it for each unit that has any and is not excluded: the sum
// over its requests, and their number. Not of perplexity.
std::vector<std::vector<compare::PairedCluster>> ClustersOfArms(const base::BlockList<Unit>& units,
                                                                size_t arms, Metric metric);

struct ArmDifference {
  compare::RatioEstimate control;
  compare::RatioEstimate arm;

  // Both arms have two units or more; what is below needs it.
  bool defined() const { return control.clusters >= 2 && arm.clusters >= 2; }
  int64_t units() const { return control.clusters + arm.clusters; }
  // R_B - R_A: positive is worse.
  double value() const { return arm.ratio - control.ratio; }
  double error() const;
  // Of the estimator: the third moments of both means subtract.
  double skewness() const;

  // For any number of looks. Radii are narrowest near `tuned_units` in both arms together.
  compare::Interval AnytimeInterval(double alpha, double tuned_units) const;
  // For claims that it is above something, at any look: not below it, unbounded above.
  double AnytimeLowerBound(double alpha, double tuned_units) const;
};

}  // namespace scanserve::experiment
