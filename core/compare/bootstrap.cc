#include "core/compare/bootstrap.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <random>

#include "core/compare/ratio_estimate.h"

namespace scanserve::compare {
namespace {

using boost::math::normal;

// z0: how far R is from the middle of its draws, ties counting half.
double BiasQuantile(absl::Span<const double> ratios, double ratio) {
  const auto [begin, end] = std::equal_range(ratios.begin(), ratios.end(), ratio);
  const auto below = static_cast<double>((begin - ratios.begin()) + (end - ratios.begin())) / 2;
  if (below == 0 || below == static_cast<double>(ratios.size())) return NAN;
  return boost::math::quantile(normal(), below / static_cast<double>(ratios.size()));
}

// a: a sixth of the skewness of the ratios that leave one cluster out, turned around. NaN where
// nothing varies.
double Acceleration(absl::Span<const PairedCluster> clusters, const RatioEstimate& estimate) {
  // Leaving i out moves R by -e_i / (sum L - L_i).
  std::vector<double> shifts;
  double mean = 0;
  for (const PairedCluster& cluster : clusters) {
    const double error = cluster.difference - estimate.ratio * cluster.tokens;
    shifts.push_back(error / (estimate.tokens - cluster.tokens));
    mean += shifts.back() / static_cast<double>(clusters.size());
  }
  double squares = 0;
  double cubes = 0;
  for (const double shift : shifts) {
    squares += (shift - mean) * (shift - mean);
    cubes += (shift - mean) * (shift - mean) * (shift - mean);
  }
  return cubes / (6 * std::pow(squares, 1.5));
}

}  // namespace

std::vector<double> BootstrapRatios(absl::Span<const PairedCluster> clusters, int64_t draws,
                                    uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> ratios;
  for (int64_t draw = 0; draw < draws; ++draw) {
    double difference = 0;
    double tokens = 0;
    for (size_t i = 0; i < clusters.size(); ++i) {
      const PairedCluster& drawn = clusters[(generator() >> 32) * clusters.size() >> 32];
      difference += drawn.difference;
      tokens += drawn.tokens;
    }
    ratios.push_back(difference / tokens);
  }
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

double QuantileOf(absl::Span<const double> ascending, double share) {
  const double place = share * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, ascending.size() - 1);
  return std::lerp(ascending[below], ascending[above], place - std::floor(place));
}

Interval BcaInterval(absl::Span<const PairedCluster> clusters, absl::Span<const double> ratios,
                     double alpha) {
  if (clusters.size() < 2) return {};
  const RatioEstimate estimate = EstimateRatio(clusters);
  const double bias = BiasQuantile(ratios, estimate.ratio);
  const double acceleration = Acceleration(clusters, estimate);
  if (!std::isfinite(bias) || !std::isfinite(acceleration)) return {};
  const auto end = [&](double share) {
    const double z = bias + boost::math::quantile(normal(), share);
    return QuantileOf(ratios, boost::math::cdf(normal(), bias + z / (1 - acceleration * z)));
  };
  return {end(alpha / 2), end(1 - alpha / 2)};
}

}  // namespace scanserve::compare
