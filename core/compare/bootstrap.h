// The bias-corrected and accelerated bootstrap of the ratio: a second opinion on its interval.
//
// It makes no use of the normal distribution of means, and is shown beside the interval that
// decides. It decides nothing itself: with few clusters and heavy tails it misses more often.
// Whole clusters are drawn, so that both arms of one stay together. B. Efron, "Better bootstrap
// confidence intervals", 1987.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/compare/confidence.h"
#include "core/compare/paired_cluster.h"

namespace scanserve::compare {

// R of as many clusters as there are, drawn with replacement; `draws` times, ascending. Takes time
// in proportion to draws times clusters. At least one cluster.
std::vector<double> BootstrapRatios(absl::Span<const PairedCluster> clusters, int64_t draws,
                                    uint64_t seed);

// Of ascending values, between the two nearest: 0 is the first and 1 the last. At least one.
double QuantileOf(absl::Span<const double> ascending, double share);

// For one look. `ratios` are BootstrapRatios of `clusters`. Unbounded below two clusters, where
// nothing varies, and where the draws lie on one side of R.
Interval BcaInterval(absl::Span<const PairedCluster> clusters, absl::Span<const double> ratios,
                     double alpha);

}  // namespace scanserve::compare
