#include "server/document_scoring.h"

#include <algorithm>
#include <utility>

#include "server/grpc_status.h"
#include "server/score_totals.h"

namespace scanserve::server {
namespace {

// A target takes at most 25 bytes.
constexpr size_t kTargetsPerMessage = 32'768;

}  // namespace

void ReadDocument(Backend& backend, const std::shared_ptr<DocumentScoring>& scoring,
                  const Resume& resume, std::function<void(TokensOrStatus)> done) {
  const int64_t max_bytes = backend.limits().document_bytes;
  if (!IsLongText(scoring->document.content)) {
    return done(PromptTokens(backend.model(), scoring->document.content, max_bytes));
  }
  const bool posted = backend.tokenizing().TryPost([&backend, scoring, &resume, done, max_bytes] {
    TokensOrStatus tokens = PromptTokens(backend.model(), scoring->document.content, max_bytes);
    resume([&done, &tokens] { done(std::move(tokens)); });
  });
  if (!posted) done(TooManyLongTexts());
}

absl::StatusOr<std::shared_ptr<runtime::RequestStream>> StartScoring(Backend& backend,
                                                                     runtime::RequestBasics basics,
                                                                     const ScoringRules& rules,
                                                                     std::vector<int32_t> tokens) {
  runtime::ScoreRequest request;
  request.basics = std::move(basics);
  request.tokens = std::move(tokens);
  request.mode = rules.mode;
  request.window_tokens = rules.window_tokens;
  request.stride_tokens = rules.stride_tokens;
  request.prefix_tokens = rules.prefix_tokens;
  request.per_token = rules.per_token;
  auto stream = backend.engine().Score(std::move(request));
  if (!absl::IsResourceExhausted(stream.status())) return stream;
  return WithRetryDelay(stream.status(), absl::Seconds(1));
}

std::optional<runtime::Event> NextEvent(Backend& backend,
                                        const std::shared_ptr<DocumentScoring>& scoring,
                                        const Resume& resume) {
  if (scoring->stream == nullptr || scoring->armed) return std::nullopt;
  std::optional<runtime::Event> event = scoring->stream->Next();
  if (event) return event;
  scoring->armed = true;
  scoring->stream->NotifyWhenReady([&backend, scoring, &resume] {
    backend.Deliver([scoring, &resume] { resume([&scoring] { scoring->armed = false; }); });
  });
  return std::nullopt;
}

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
