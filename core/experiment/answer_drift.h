// How far the answers that one arm wrote are from what another arm would have said.
//
// The mean over their tokens of the negative log likelihood under the other arm minus under the
// writer: of answers sampled as they are distributed it estimates the Kullback-Leibler divergence,
// which is never below 0. The writer always wins on its own text, so that this is a distance and no
// judgment: nothing that decides reads it.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "core/base/block_list.h"
#include "core/base/byte_codec.h"
#include "core/compare/confidence.h"
#include "core/compare/ratio_estimate.h"
#include "core/experiment/shadow_drop.h"
#include "core/experiment/unit_table.h"

namespace scanserve::experiment {

// One answer under both arms.
struct AnswerPair {
  // Differences are other - writer.
  compare::PairedCluster cluster;
  // Of its tokens, those at which the likeliest one is not the same under both.
  int64_t other_choices = 0;
};

struct DriftCounts {
  // Answers that were to be scored.
  int64_t answers = 0;
  int64_t scored = 0;
  DropCounts dropped;
  // Of the tokens that were scored.
  int64_t other_choices = 0;
};

// Clusters are units. Not thread-safe.
class AnswerDrift {
 public:
  void CountAnswer() { ++counts_.answers; }
  void CountDropped(ShadowDrop drop) { counts_.dropped.Count(drop); }
  void Add(const UnitKey& unit, const AnswerPair& answer);

  // What was added until now, for reading: it finds no unit by its key.
  AnswerDrift Share();

  const DriftCounts& counts() const { return counts_; }
  compare::RatioEstimate estimate() const;
  // For any number of looks.
  static compare::Interval AnytimeInterval(const compare::RatioEstimate& estimate, double alpha);

  void Write(base::ByteWriter& writer) const;
  // Into an empty one. False when what is read is no drift.
  bool Read(base::ByteReader& reader);

 private:
  DriftCounts counts_;
  // In the order in which each unit had its first answer scored.
  base::BlockList<UnitKey> units_;
  base::BlockList<compare::PairedCluster> clusters_;
  std::unordered_map<UnitKey, size_t, UnitKeyHash> index_;
};

// Of an arm and the control: what each of the two wrote.
struct PairDrift {
  AnswerDrift of_control;
  AnswerDrift of_arm;

  PairDrift Share() { return {of_control.Share(), of_arm.Share()}; }
};

}  // namespace scanserve::experiment
