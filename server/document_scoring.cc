#include "server/document_scoring.h"

#include <algorithm>

#include "server/score_totals.h"

namespace scanserve::server {
namespace {

// A target takes at most 25 bytes.
constexpr size_t kTargetsPerMessage = 32'768;

}  // namespace

v1::ComputePerplexityResponse DocumentScoreToProto(const Document& document,
                                                   const runtime::DocumentScore& score) {
  v1::ComputePerplexityResponse response;
  v1::DocumentScore& proto = *response.mutable_document();
  proto.set_document_id(document.id);
  proto.set_index(document.index);
  proto.set_document_tokens(score.document_tokens);
  *proto.mutable_scores() = ClassScoresToProto(score);
  *proto.mutable_first_target() = ScoreToProto(score.first_target);
  proto.set_unscored_reason(score.unscored_reason);
  proto.set_cached_tokens(score.cached_tokens);
  return response;
}

std::vector<v1::ComputePerplexityResponse> TokenScoresToProto(const Document& document,
                                                              const runtime::ScoredTokens& scored) {
  std::vector<v1::ComputePerplexityResponse> responses;
  for (size_t begin = 0; begin < scored.targets.size(); begin += kTargetsPerMessage) {
    v1::TokenScores& proto = *responses.emplace_back().mutable_tokens();
    proto.set_document_id(document.id);
    proto.set_index(document.index);
    const size_t end = std::min(scored.targets.size(), begin + kTargetsPerMessage);
    for (size_t i = begin; i < end; ++i) {
      const runtime::ScoredTokens::Target& target = scored.targets[i];
      proto.add_positions(target.position);
      proto.add_token_ids(target.token);
      proto.add_nlls(target.nll);
      proto.add_classes(TargetClassToProto(target.target_class));
    }
  }
  return responses;
}

}  // namespace scanserve::server
