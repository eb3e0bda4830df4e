#include "core/experiment/answer_drift.h"

#include <vector>

namespace scanserve::experiment {
namespace {

// Units near which intervals are narrowest, as those of paired prompts.
constexpr double kTunedUnits = 100;

}  // namespace

void AnswerDrift::Add(const UnitKey& unit, const AnswerPair& answer) {
  ++counts_.scored;
  counts_.other_choices += answer.other_choices;
  const auto [found, is_new] = index_.try_emplace(unit, clusters_.size());
  if (is_new) {
    units_.Add(unit);
    clusters_.Add(answer.cluster);
  } else {
    clusters_.Change(found->second).Merge(answer.cluster);
  }
}

AnswerDrift AnswerDrift::Share() {
  AnswerDrift shared;
  shared.counts_ = counts_;
  shared.units_ = units_.Share();
  shared.clusters_ = clusters_.Share();
  return shared;
}

compare::RatioEstimate AnswerDrift::estimate() const {
  std::vector<compare::PairedCluster> clusters;
  clusters.reserve(clusters_.size());
  for (size_t i = 0; i < clusters_.size(); ++i) clusters.push_back(clusters_[i]);
  return compare::EstimateRatio(clusters);
}

compare::Interval AnswerDrift::AnytimeInterval(const compare::RatioEstimate& estimate,
                                               double alpha) {
  // Where nothing differs the interval has no width and proves nothing.
  if (estimate.differing_clusters == 0) return {};
  return compare::HullInterval(
      estimate,
      compare::AnytimeRadius(estimate.clusters, alpha, compare::MixtureScale(alpha, kTunedUnits)));
}

void AnswerDrift::Write(base::ByteWriter& writer) const {
  for (const int64_t count :
       {counts_.answers, counts_.scored, counts_.dropped.queue_full, counts_.dropped.unscorable,
        counts_.dropped.failed, counts_.other_choices}) {
    writer.PutU64(static_cast<uint64_t>(count));
  }
  writer.PutU64(units_.size());
  for (size_t i = 0; i < units_.size(); ++i) {
    writer.PutU64(units_[i].high);
    writer.PutU64(units_[i].low);
    writer.PutDouble(clusters_[i].difference);
    writer.PutDouble(clusters_[i].tokens);
    writer.PutDouble(clusters_[i].spread);
  }
}

bool AnswerDrift::Read(base::ByteReader& reader) {
  for (int64_t* count :
       {&counts_.answers, &counts_.scored, &counts_.dropped.queue_full, &counts_.dropped.unscorable,
        &counts_.dropped.failed, &counts_.other_choices}) {
    *count = static_cast<int64_t>(reader.U64());
  }
  const uint64_t units = reader.U64();
  for (uint64_t i = 0; i < units && reader.ok(); ++i) {
    UnitKey unit;
    unit.high = reader.U64();
    unit.low = reader.U64();
    if (!index_.try_emplace(unit, units_.size()).second) return false;
    units_.Add(unit);
    compare::PairedCluster cluster;
    cluster.difference = reader.Double();
    cluster.tokens = reader.Double();
    cluster.spread = reader.Double();
    clusters_.Add(cluster);
  }
  return reader.ok();
}

}  // namespace scanserve::experiment
