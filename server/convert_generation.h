// A generation between the wire and the engine: the request's own fields, and events as messages.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/model/language_model.h"
#include "core/model/tokenizer/tokenizer.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/server_options.h"

namespace scanserve::server {

// n, prompt_logprobs and sampling of a request to `model`, without setting and
// prompt. INVALID_ARGUMENT names the field, its value and the limit.
absl::StatusOr<runtime::GenerateRequest> GenerationFromProto(const v1::GenerateRequest& proto,
                                                             const model::LanguageModel& model,
                                                             const RequestLimits& limits,
                                                             uint64_t fresh_seed);

// The bytes of tokens come from `tokenizer`.
v1::TokenLogprob TokenLogprobToProto(const runtime::TokenLogprob& logprob,
                                     const model::Tokenizer& tokenizer);
// `tokenizer` gives the bytes of tokens with log probabilities.
v1::GenerateDelta DeltaToProto(runtime::Delta delta, const model::Tokenizer& tokenizer);
v1::GenerateFinished FinishedToProto(const runtime::Finished& finished);

}  // namespace scanserve::server
