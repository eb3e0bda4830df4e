#include "server/score_totals.h"

#include <cmath>
#include <numbers>

namespace scanserve::server {
namespace {

void AddScore(const runtime::Score& score, runtime::Score& sum) {
  sum.nll += score.nll;
  sum.tokens += score.tokens;
}

}  // namespace

void ScoreTotals::Add(int64_t index, const runtime::DocumentScore& score) {
  early_.emplace(index, score);
  while (!early_.empty() && early_.begin()->first == next_index_) {
    const runtime::DocumentScore& next = early_.begin()->second;
    sum_.document_tokens += next.document_tokens;
    sum_.cached_tokens += next.cached_tokens;
    AddScore(next.all, sum_.all);
    AddScore(next.leaked, sum_.leaked);
    AddScore(next.lookahead, sum_.lookahead);
    AddScore(next.causal, sum_.causal);
    AddScore(next.first_target, sum_.first_target);
    sum_.scored_bytes += next.scored_bytes;
    early_.erase(early_.begin());
    ++next_index_;
  }
}

v1::Score ScoreToProto(const runtime::Score& score) {
  v1::Score proto;
  proto.set_nll(score.nll);
  proto.set_tokens(score.tokens);
  return proto;
}

v1::ClassScores ClassScoresToProto(const runtime::DocumentScore& score) {
  v1::ClassScores proto;
  *proto.mutable_all() = ScoreToProto(score.all);
  *proto.mutable_leaked() = ScoreToProto(score.leaked);
  *proto.mutable_lookahead() = ScoreToProto(score.lookahead);
  *proto.mutable_causal() = ScoreToProto(score.causal);
  if (score.all.tokens > 0) {
    proto.set_perplexity(std::exp(score.all.nll / static_cast<double>(score.all.tokens)));
  }
  if (score.scored_bytes > 0) {
    proto.set_bits_per_byte(score.all.nll / std::numbers::ln2 /
                            static_cast<double>(score.scored_bytes));
  }
  proto.set_scored_bytes(score.scored_bytes);
  return proto;
}

v1::TargetClass TargetClassToProto(order::TargetClass target_class) {
  switch (target_class) {
    case order::TargetClass::kLeaked:
      return v1::TARGET_CLASS_LEAKED;
    case order::TargetClass::kLookahead:
      return v1::TARGET_CLASS_LOOKAHEAD;
    case order::TargetClass::kCausal:
      return v1::TARGET_CLASS_CAUSAL;
  }
  return v1::TARGET_CLASS_UNSPECIFIED;
}

}  // namespace scanserve::server
