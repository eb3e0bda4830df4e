// Paired scores of the prompts that clients sent, under the control and under one arm, and how many
// of those chosen were scored.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "absl/time/time.h"
#include "core/base/block_list.h"
#include "core/base/byte_codec.h"
#include "core/compare/paired_comparison.h"
#include "core/experiment/design.h"
#include "core/experiment/shadow_drop.h"
#include "core/experiment/unit_table.h"

namespace scanserve::experiment {

struct ShadowCounts {
  int64_t eligible = 0;
  int64_t sampled = 0;
  int64_t scored = 0;
  DropCounts dropped;

  // Enough of those that were to be scored: what is dropped under load is not like the rest.
  bool covered() const;
};

// Clusters are units, in the order in which each had its first prompt scored. Not thread-safe.
class ShadowScores {
 public:
  // `design` is valid.
  explicit ShadowScores(const Design& design);

  // Of each request that takes part.
  void CountEligible(bool sampled);
  void CountDropped(ShadowDrop drop) { counts_.dropped.Count(drop); }
  // Differences are arm - control. Requests must come in the order in which they arrived. What can
  // be said now, when a look is due.
  std::optional<compare::ComparisonLook> Add(const UnitKey& unit,
                                             const compare::PairedCluster& cluster, absl::Time now);

  // What was added until now, for reading: it finds no unit by its key. Copies the clusters, which
  // takes what a look takes.
  ShadowScores Share();

  const ShadowCounts& counts() const { return counts_; }
  const compare::PairedComparison& comparison() const { return comparison_; }
  // A look that leaves no trace.
  compare::ComparisonLook Peek(absl::Time now) const;

  void Write(base::ByteWriter& writer) const;
  // False when what is read are no scores.
  bool Read(base::ByteReader& reader);

 private:
  explicit ShadowScores(const compare::ComparisonOptions& options)
      : options_(options), comparison_(options) {}

  compare::ComparisonOptions options_;
  ShadowCounts counts_;
  compare::PairedComparison comparison_;
  // Of each cluster.
  base::BlockList<UnitKey> units_;
  std::unordered_map<UnitKey, int64_t, UnitKeyHash> index_;
};

}  // namespace scanserve::experiment
