// A comparison of two arms while its clusters come in, and when they all have come.
//
// It may be looked at after every cluster: intervals before the end hold for any number of looks.
// Clusters must come in an order that has nothing to do with their values, such as a random order
// fixed beforehand; the order in which they finish is none.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "core/compare/verdict.h"

namespace scanserve::compare {

enum class Plan {
  // For a corpus of fixed size: a fifth of alpha for looks on the way, the rest for the end, where
  // the fixed interval is in force.
  kHybrid,
  // All of alpha for looks; there is no end.
  kOpenEnded,
};

struct ComparisonOptions {
  // Smallest difference that matters, in nats per token: 0.005 is half a percent of perplexity.
  double margin = 0.005;
  // Probability of any false claim, over all looks together.
  double alpha = 0.05;
  Plan plan = Plan::kHybrid;
  // N*: the number of clusters near which intervals of looks are narrowest.
  double tuned_clusters = 100;
};

struct ComparisonLook {
  RatioEstimate estimate;
  // In force: of a look, or at the end of the hybrid plan the fixed one.
  Interval interval;
  Assessment assessment;
  // Whether all clusters have come.
  bool at_end = false;
  // Intervals of two looks excluded each other: an assumption is broken, most likely the order.
  bool contradiction = false;
  // Whether a rule that stops at a verdict may stop now: 100 clusters, and not just identical.
  bool may_stop = false;
};

struct FirstVerdict {
  Verdict verdict;
  int64_t clusters;
  absl::Time time;
};

// Keeps 24 bytes of each cluster, and computes each look from all of them. Not thread-safe.
class PairedComparison {
 public:
  explicit PairedComparison(const ComparisonOptions& options) : options_(options) {}

  // All that it knows: one made of it goes on as this one would, to the bit.
  struct State {
    std::vector<PairedCluster> clusters;
    // Clusters at the last look.
    int64_t last_look = 0;
    // Of all intervals that passed the gates.
    Interval intersection;
    std::optional<FirstVerdict> first_verdict;
  };
  PairedComparison(const ComparisonOptions& options, State state)
      : options_(options), state_(std::move(state)) {}
  const State& state() const { return state_; }

  // Clusters without tokens say nothing and are not counted.
  void Add(const PairedCluster& cluster);
  // Takes `more` into a cluster that has come: into the one that was added `cluster`-th, from 0.
  void MergeInto(int64_t cluster, const PairedCluster& more);
  int64_t clusters() const { return static_cast<int64_t>(state_.clusters.size()); }

  // A look takes time in proportion to the clusters: due after each of the first 1,000, then after
  // each further percent.
  bool IsLookDue() const;
  // While more clusters may come.
  ComparisonLook Look(absl::Time now);
  // When the last cluster of a number fixed before has come; not when something stopped it.
  ComparisonLook LookAtEnd(absl::Time now);

  // Clusters in all that would probably decide an undecided comparison, if what `estimate` says
  // goes on: the interval then leaves 0 out or stays within the margin, whichever is the nearer
  // aim. Nothing when that cannot be said.
  std::optional<int64_t> ClustersToDecide(const RatioEstimate& estimate) const;

  // The first verdict that an interval gave, and stays.
  const std::optional<FirstVerdict>& first_verdict() const { return state_.first_verdict; }

 private:
  double LookAlpha() const;
  double RadiusOfLook(int64_t clusters) const;
  double RadiusAtEnd(int64_t clusters) const;
  ComparisonLook LookWith(bool at_end, absl::Time now);
  void Remember(ComparisonLook& look, absl::Time now);

  ComparisonOptions options_;
  State state_;
};

}  // namespace scanserve::compare
