#include "core/compare/paired_cluster.h"

namespace scanserve::compare {

void PairedCluster::Merge(const PairedCluster& other) {
  if (other.tokens == 0) return;
  if (tokens > 0) {
    const double gap = other.difference / other.tokens - difference / tokens;
    spread += gap * gap * tokens * other.tokens / (tokens + other.tokens);
  }
  spread += other.spread;
  difference += other.difference;
  tokens += other.tokens;
}

void PairedTokens::Add(double nll_a, double nll_b) {
  const double difference = nll_b - nll_a;
  tokens_ += 1;
  sum_ += difference;
  const double before = difference - mean_;
  mean_ += before / tokens_;
  spread_ += before * (difference - mean_);
}

}  // namespace scanserve::compare
