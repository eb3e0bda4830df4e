#include "server/document_pair.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/score_totals.h"

namespace scanserve::server {
namespace {

using Target = runtime::ScoredTokens::Target;

// A target takes at most 29 bytes.
constexpr size_t kTargetsPerMessage = 32'768;

// From worst to best.
static_assert(order::TargetClass::kLeaked < order::TargetClass::kLookahead &&
              order::TargetClass::kLookahead < order::TargetClass::kCausal);

void ToProto(const PairedScore& score, v1::PairedScore& proto) {
  proto.set_tokens(score.tokens);
  proto.set_nll_a(score.nll_a);
  proto.set_nll_b(score.nll_b);
}

}  // namespace

void PairedScore::Add(const PairedScore& other) {
  tokens += other.tokens;
  nll_a += other.nll_a;
  nll_b += other.nll_b;
}

void PairedClassScores::Add(const PairedClassScores& other) {
  leaked.Add(other.leaked);
  lookahead.Add(other.lookahead);
  causal.Add(other.causal);
}

v1::PairedClassScores PairedClassScoresToProto(const PairedClassScores& scores) {
  v1::PairedClassScores proto;
  ToProto(scores.leaked, *proto.mutable_leaked());
  ToProto(scores.lookahead, *proto.mutable_lookahead());
  ToProto(scores.causal, *proto.mutable_causal());
  return proto;
}

void DocumentPair::AddFirst(std::vector<Target> targets) {
  if (first_.empty()) {
    first_ = std::move(targets);
  } else {
    first_.insert(first_.end(), targets.begin(), targets.end());
  }
}

DocumentPair::Values DocumentPair::PairOf(const Target& first, const Target& second) const {
  return {b_first_ ? second.nll : first.nll, b_first_ ? first.nll : second.nll,
          std::min(first.target_class, second.target_class)};
}

absl::Status DocumentPair::AddSecond(const std::vector<Target>& targets) {
  for (const Target& second : targets) {
    if (paired_ == first_.size() || first_[paired_].position != second.position ||
        first_[paired_].token != second.token) {
      return absl::InternalError(
          absl::StrCat("the arms scored different tokens, first at position ", second.position));
    }
    const Values pair = PairOf(first_[paired_++], second);
    const PairedScore score = {1, static_cast<double>(pair.nll_a), static_cast<double>(pair.nll_b)};
    switch (pair.target_class) {
      case order::TargetClass::kLeaked:
        scores_.leaked.Add(score);
        break;
      case order::TargetClass::kLookahead:
        scores_.lookahead.Add(score);
        break;
      case order::TargetClass::kCausal:
        scores_.causal.Add(score);
        causal_.Add(score.nll_a, score.nll_b);
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status DocumentPair::End() const {
  if (paired_ == first_.size()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("one arm scored ", first_.size(), " tokens, the other ", paired_));
}

std::vector<v1::CompareResponse> DocumentPair::MessagesOf(
    const Document& document, const std::vector<Target>& targets) const {
  const size_t begin = paired_ - targets.size();
  std::vector<v1::CompareResponse> messages;
  for (size_t done = 0; done < targets.size(); done += kTargetsPerMessage) {
    v1::TokenDifferences& proto = *messages.emplace_back().mutable_tokens();
    proto.set_document_id(document.id);
    proto.set_index(document.index);
    const size_t end = std::min(targets.size(), done + kTargetsPerMessage);
    for (size_t i = done; i < end; ++i) {
      const Values pair = PairOf(first_[begin + i], targets[i]);
      proto.add_positions(targets[i].position);
      proto.add_token_ids(targets[i].token);
      proto.add_nlls_a(pair.nll_a);
      proto.add_nlls_b(pair.nll_b);
      proto.add_classes(TargetClassToProto(pair.target_class));
    }
  }
  return messages;
}

}  // namespace scanserve::server
