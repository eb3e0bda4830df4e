// Intervals for a RatioEstimate: for one look at a size fixed before, and for any number of looks.
//
// Both are the union ("hull") of the symmetric interval and the one corrected for skewness by
// Hall's cubic transformation (P. Hall, "On the removal of skewness by transformation", 1992):
// wider than either, and right more often than either on the skewed differences that documents
// give.
#pragma once

#include <cstdint>
#include <limits>

#include "core/compare/ratio_estimate.h"

namespace scanserve::compare {

// Unbounded while there are too few clusters to bound it.
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  bool bounded() const { return low > -std::numeric_limits<double>::infinity(); }
};

// Radii are in standard errors. 0 < alpha < 1.

// Two-sided t quantile with n - 1 degrees of freedom: for one look, at n clusters. n >= 2.
double FixedRadius(int64_t clusters, double alpha);

// g of the mixture that makes the anytime radii smallest near `tuned_clusters`:
// N* / (-2 ln alpha + ln(1 - 2 ln alpha)). The same number is 1/rho^2 in the literature.
double MixtureScale(double alpha, double tuned_clusters);

// Lindon's anytime-valid t radius: with T = g/(g+n) and p = (T alpha^2)^(1/n),
// sqrt((n-1)(1-p)/(p-T)), infinite while p <= T (about ten clusters).
double AnytimeRadius(int64_t clusters, double alpha, double mixture_scale);

// Its limit for a known deviation, the boundary of Robbins' normal mixture:
// sqrt(2 (n rho^2 + 1)/(n rho^2) ln(sqrt(n rho^2 + 1)/alpha)), rho^2 = 1/g.
double AnytimeNormalRadius(int64_t clusters, double alpha, double mixture_scale);

// One-sided: of Robbins' mixture over effects of one sign, for bounds that only ever look one way.
// The z for which 2 sqrt(rho/(n+rho)) exp(z^2/2) Phi(z) = 1/alpha, times sqrt((n+rho)/n), with rho
// the mixture scale (Howard et al., "Time-uniform, nonparametric, nonasymptotic confidence
// sequences", 2021, proposition 6). Tuned as MixtureScale(2 alpha, N*).
double AnytimeOneSidedRadius(int64_t clusters, double alpha, double mixture_scale);

// The hull around `value`, whose estimator has standard error `error` and skewness `skewness` (for
// a mean over n clusters: theirs over sqrt(n)).
Interval HullInterval(double value, double error, double skewness, double radius);
// The hull of `estimate` at `radius`; unbounded when the radius is infinite or there are fewer than
// two clusters.
Interval HullInterval(const RatioEstimate& estimate, double radius);

}  // namespace scanserve::compare
