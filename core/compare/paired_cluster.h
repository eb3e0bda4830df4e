// What two arms made of the same text, reduced to what the statistics need.
#pragma once

#include <cstdint>

namespace scanserve::compare {

// One observation: a document, or all documents of a group, whose tokens were scored under both
// arms, A and B. Differences are always B - A, so below 0 B is better.
struct PairedCluster {
  // D: sum over the scored tokens of the difference of their negative log likelihoods, in nats.
  double difference = 0;
  // L: the number of scored tokens.
  double tokens = 0;
  // Sum over the tokens of the squared distance of their difference from the cluster's mean.
  double spread = 0;

  // Whether any token was scored differently.
  bool differs() const { return difference != 0 || spread != 0; }

  // Takes the observations of `other` in: for documents of one group.
  void Merge(const PairedCluster& other);
};

// Adds up the tokens of one document, one by one, in one pass (Welford's recurrence).
class PairedTokens {
 public:
  void Add(double nll_a, double nll_b);
  PairedCluster cluster() const { return {sum_, tokens_, spread_}; }

 private:
  double tokens_ = 0;
  double sum_ = 0;
  double mean_ = 0;
  double spread_ = 0;
};

}  // namespace scanserve::compare
