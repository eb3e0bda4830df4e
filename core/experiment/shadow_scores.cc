#include "core/experiment/shadow_scores.h"

#include <utility>

namespace scanserve::experiment {
namespace {

constexpr double kCoverage = 0.95;

compare::ComparisonOptions OptionsOf(const Design& design) {
  return {
      .margin = design.margin, .alpha = design.alpha_of_arm(), .plan = compare::Plan::kOpenEnded};
}

void WriteFirstVerdict(const std::optional<compare::FirstVerdict>& first,
                       base::ByteWriter& writer) {
  writer.PutU32(first ? 1 : 0);
  if (!first) return;
  writer.PutU32(static_cast<uint32_t>(first->verdict));
  writer.PutU64(static_cast<uint64_t>(first->clusters));
  writer.PutU64(static_cast<uint64_t>(absl::ToUnixNanos(first->time)));
}

std::optional<compare::FirstVerdict> ReadFirstVerdict(base::ByteReader& reader) {
  if (reader.U32() == 0) return std::nullopt;
  compare::FirstVerdict first{};
  first.verdict = static_cast<compare::Verdict>(reader.U32());
  first.clusters = static_cast<int64_t>(reader.U64());
  first.time = absl::FromUnixNanos(static_cast<int64_t>(reader.U64()));
  return first;
}

}  // namespace

bool ShadowCounts::covered() const {
  const auto to_score = static_cast<double>(scored + dropped.queue_full + dropped.failed);
  return static_cast<double>(scored) >= kCoverage * to_score;
}

ShadowScores::ShadowScores(const Design& design) : ShadowScores(OptionsOf(design)) {}

void ShadowScores::CountEligible(bool sampled) {
  ++counts_.eligible;
  counts_.sampled += sampled;
}

std::optional<compare::ComparisonLook> ShadowScores::Add(const UnitKey& unit,
                                                         const compare::PairedCluster& cluster,
                                                         absl::Time now) {
  if (cluster.tokens == 0) {
    CountDropped(ShadowDrop::kUnscorable);
    return std::nullopt;
  }
  ++counts_.scored;
  const auto [found, is_new] = index_.try_emplace(unit, comparison_.clusters());
  if (!is_new) {
    comparison_.MergeInto(found->second, cluster);
    return std::nullopt;
  }
  units_.Add(unit);
  comparison_.Add(cluster);
  if (!comparison_.IsLookDue()) return std::nullopt;
  return comparison_.Look(now);
}

ShadowScores ShadowScores::Share() {
  ShadowScores shared(options_);
  shared.counts_ = counts_;
  shared.comparison_ = comparison_;
  shared.units_ = units_.Share();
  return shared;
}

compare::ComparisonLook ShadowScores::Peek(absl::Time now) const {
  return compare::PairedComparison(comparison_).Look(now);
}

void ShadowScores::Write(base::ByteWriter& writer) const {
  for (const int64_t count :
       {counts_.eligible, counts_.sampled, counts_.scored, counts_.dropped.queue_full,
        counts_.dropped.unscorable, counts_.dropped.failed}) {
    writer.PutU64(static_cast<uint64_t>(count));
  }
  const compare::PairedComparison::State& state = comparison_.state();
  writer.PutU64(state.clusters.size());
  for (size_t i = 0; i < units_.size(); ++i) {
    writer.PutU64(units_[i].high);
    writer.PutU64(units_[i].low);
    writer.PutDouble(state.clusters[i].difference);
    writer.PutDouble(state.clusters[i].tokens);
    writer.PutDouble(state.clusters[i].spread);
  }
  writer.PutU64(static_cast<uint64_t>(state.last_look));
  writer.PutDouble(state.intersection.low);
  writer.PutDouble(state.intersection.high);
  WriteFirstVerdict(state.first_verdict, writer);
}

bool ShadowScores::Read(base::ByteReader& reader) {
  for (int64_t* count :
       {&counts_.eligible, &counts_.sampled, &counts_.scored, &counts_.dropped.queue_full,
        &counts_.dropped.unscorable, &counts_.dropped.failed}) {
    *count = static_cast<int64_t>(reader.U64());
  }
  compare::PairedComparison::State state;
  const uint64_t clusters = reader.U64();
  for (uint64_t i = 0; i < clusters && reader.ok(); ++i) {
    UnitKey unit;
    unit.high = reader.U64();
    unit.low = reader.U64();
    if (!index_.try_emplace(unit, static_cast<int64_t>(i)).second) return false;
    units_.Add(unit);
    compare::PairedCluster& cluster = state.clusters.emplace_back();
    cluster.difference = reader.Double();
    cluster.tokens = reader.Double();
    cluster.spread = reader.Double();
  }
  state.last_look = static_cast<int64_t>(reader.U64());
  state.intersection.low = reader.Double();
  state.intersection.high = reader.Double();
  state.first_verdict = ReadFirstVerdict(reader);
  comparison_ = compare::PairedComparison(options_, std::move(state));
  return reader.ok();
}

}  // namespace scanserve::experiment
