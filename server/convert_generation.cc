#include "server/convert_generation.h"

#include <string>
#include <utility>

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

v1::GenerateDelta DeltaToProto(runtime::Delta delta, const model::Tokenizer& tokenizer) {
  v1::GenerateDelta proto;
  proto.set_text(std::move(delta.text));
  proto.mutable_token_ids()->Assign(delta.tokens.begin(), delta.tokens.end());
  for (const runtime::TokenLogprob& logprob : delta.logprobs) {
    v1::TokenLogprob& added = *proto.add_logprobs();
    added.set_token_id(logprob.token);
    added.set_logprob(logprob.logprob);
    added.set_token(std::string(tokenizer.TokenBytes(logprob.token)));
    for (const auto& [token, value] : logprob.top) {
      v1::TopLogprob& top = *added.add_top();
      top.set_token_id(token);
      top.set_logprob(value);
      top.set_token(std::string(tokenizer.TokenBytes(token)));
    }
  }
  return proto;
}

v1::GenerateFinished FinishedToProto(const runtime::Finished& finished) {
  v1::GenerateFinished proto;
  proto.set_reason(ReasonToProto(finished.reason));
  proto.set_stop_string(finished.stop_string);
  if (finished.stop_token) proto.set_stop_token_id(*finished.stop_token);
  proto.set_generated_tokens(finished.generated_tokens);
  return proto;
}

}  // namespace scanserve::server
