#include "server/convert_generation.h"

#include <string>
#include <utility>

#include "core/base/status_macros.h"
#include "server/convert_sampling.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

v1::FinishReason ReasonToProto(runtime::FinishReason reason) {
  switch (reason) {
    case runtime::FinishReason::kEndOfText:
      return v1::FINISH_REASON_END_OF_TEXT;
    case runtime::FinishReason::kStopString:
      return v1::FINISH_REASON_STOP_STRING;
    case runtime::FinishReason::kStopToken:
      return v1::FINISH_REASON_STOP_TOKEN;
    case runtime::FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<runtime::GenerateRequest> GenerationFromProto(const v1::GenerateRequest& proto,
                                                             const model::LanguageModel& model,
                                                             const RequestLimits& limits,
                                                             uint64_t fresh_seed) {
  runtime::GenerateRequest request;
  SCANSERVE_ASSIGN_OR_RETURN(request.sampling,
                             SamplingFromProto(proto.sampling(), model.generation,
                                               model.config.vocab_size, limits, fresh_seed));
  // Nothing but the prompt may be wanted.
  const bool prompt_wanted = proto.echo() || proto.prompt_logprobs();
  SCANSERVE_RETURN_IF_ERROR(CheckRange("sampling.max_new_tokens", request.sampling.max_new_tokens,
                                       prompt_wanted ? 0 : 1, limits.new_tokens));
  SCANSERVE_RETURN_IF_ERROR(CheckTokensLeft(request.sampling, *model.tokenizer));
  request.n = proto.sampling().has_n() ? proto.sampling().n() : 1;
  const int32_t most = request.sampling.max_new_tokens == 0 ? 1 : limits.choices;
  SCANSERVE_RETURN_IF_ERROR(CheckRange("sampling.n", request.n, 1, most));
  request.prompt_logprobs = proto.prompt_logprobs();
  return request;
}

v1::TokenLogprob TokenLogprobToProto(const runtime::TokenLogprob& logprob,
                                     const model::Tokenizer& tokenizer) {
  v1::TokenLogprob proto;
  proto.set_token_id(logprob.token);
  proto.set_logprob(logprob.logprob);
  proto.set_token(std::string(tokenizer.TokenBytes(logprob.token)));
  for (const auto& [token, value] : logprob.top) {
    v1::TopLogprob& top = *proto.add_top();
    top.set_token_id(token);
    top.set_logprob(value);
    top.set_token(std::string(tokenizer.TokenBytes(token)));
  }
  return proto;
}

v1::GenerateDelta DeltaToProto(runtime::Delta delta, const model::Tokenizer& tokenizer) {
  v1::GenerateDelta proto;
  proto.set_choice(delta.choice);
  proto.set_text(std::move(delta.text));
  proto.mutable_token_ids()->Assign(delta.tokens.begin(), delta.tokens.end());
  for (const runtime::TokenLogprob& logprob : delta.logprobs) {
    *proto.add_logprobs() = TokenLogprobToProto(logprob, tokenizer);
  }
  return proto;
}

v1::GenerateFinished FinishedToProto(const runtime::Finished& finished) {
  v1::GenerateFinished proto;
  proto.set_choice(finished.choice);
  proto.set_reason(ReasonToProto(finished.reason));
  proto.set_stop_string(finished.stop_string);
  if (finished.stop_token) proto.set_stop_token_id(*finished.stop_token);
  proto.set_generated_tokens(finished.generated_tokens);
  return proto;
}

}  // namespace scanserve::server
