#include "core/compare/confidence.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace scanserve::compare {
namespace {

// g^-1(x) = 3/q (cbrt(1 + q (x - q/6)) - 1), q = gamma / sqrt(n).
double HallInverse(double x, double q) {
  if (std::abs(q) < 1e-6) return x;
  return 3 / q * (std::cbrt(1 + q * (x - q / 6)) - 1);
}

}  // namespace

double FixedRadius(int64_t clusters, double alpha) {
  const boost::math::students_t distribution(static_cast<double>(clusters - 1));
  return boost::math::quantile(boost::math::complement(distribution, alpha / 2));
}

double MixtureScale(double alpha, double tuned_clusters) {
  const double twice_log = -2 * std::log(alpha);
  return tuned_clusters / (twice_log + std::log(1 + twice_log));
}

double AnytimeRadius(int64_t clusters, double alpha, double mixture_scale) {
  const auto n = static_cast<double>(clusters);
  const double t = mixture_scale / (mixture_scale + n);
  const double p = std::pow(t * alpha * alpha, 1 / n);
  if (p <= t) return std::numeric_limits<double>::infinity();
  return std::sqrt((n - 1) * (1 - p) / (p - t));
}

double AnytimeNormalRadius(int64_t clusters, double alpha, double mixture_scale) {
  const double scaled = static_cast<double>(clusters) / mixture_scale;
  return std::sqrt(2 * (scaled + 1) / scaled * std::log(std::sqrt(scaled + 1) / alpha));
}

double AnytimeOneSidedRadius(int64_t clusters, double alpha, double mixture_scale) {
  const auto n = static_cast<double>(clusters);
  const double log_needed =
      -std::log(alpha) - std::log(2.) - std::log(mixture_scale / (n + mixture_scale)) / 2;
  const boost::math::normal normal;
  double low = 0;
  double high = std::sqrt(2 * (log_needed + std::log(2.)));
  // Each step halves what is left of the interval; a double has 53 bits.
  for (int step = 0; step < 60; ++step) {
    const double z = (low + high) / 2;
    const bool reached = z * z / 2 + std::log(boost::math::cdf(normal, z)) >= log_needed;
    (reached ? high : low) = z;
  }
  return high * std::sqrt((n + mixture_scale) / n);
}

Interval HullInterval(double value, double error, double skewness, double radius) {
  return {value - error * std::max(radius, HallInverse(radius, skewness)),
          value - error * std::min(-radius, HallInverse(-radius, skewness))};
}

Interval HullInterval(const RatioEstimate& estimate, double radius) {
  if (estimate.clusters < 2 || std::isinf(radius)) return {};
  const double root = std::sqrt(static_cast<double>(estimate.clusters));
  return HullInterval(estimate.ratio, estimate.jackknife_error, estimate.skewness / root, radius);
}

}  // namespace scanserve::compare
