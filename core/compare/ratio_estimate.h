// The mean difference per token over clusters of unequal length, and how well it is known.
//
// Legend: n clusters; D_i, L_i of PairedCluster; R = sum D / sum L; e_i = D_i - R L_i. Tokens of
// one document depend on each other, so that clusters are the observations, not tokens. Everything
// is computed anew from the clusters in two passes: the same clusters in the same order give the
// same bits, and nothing cancels.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/compare/paired_cluster.h"

namespace scanserve::compare {

// Fields that need more clusters than there are (one for R, two for the errors) are 0.
struct RatioEstimate {
  int64_t clusters = 0;
  double tokens = 0;
  // R, the token-weighted mean difference in nats per token. exp(R) is the ratio of perplexities.
  double ratio = 0;
  // Mean of D_i / L_i: each cluster counts the same.
  double cluster_mean = 0;
  // Standard error of R by the cluster jackknife: sqrt((n-1)/n sum (e_i / (sum L - L_i))^2). This
  // is the one that intervals use.
  double jackknife_error = 0;
  // By linearisation: sqrt(n/(n-1) sum e_i^2) / sum L.
  double linearised_error = 0;
  // gamma: mean e^3 / (mean e^2)^1.5.
  double skewness = 0;
  // Kish's (sum L)^2 / sum L^2: how many clusters of equal length would weigh the same.
  double effective_clusters = 0;
  // Variance of R over what it would be if all tokens were independent; 0 when no token differs.
  double design_effect = 0;
  int64_t differing_clusters = 0;
};

// Clusters without tokens must be left out.
RatioEstimate EstimateRatio(absl::Span<const PairedCluster> clusters);

}  // namespace scanserve::compare
