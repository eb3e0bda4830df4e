// Sampling parameters between the wire and the engine, with their defaults.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/model/generation_config.h"
#include "core/model/tokenizer/tokenizer.h"
#include "core/runtime/sampling_parameters.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/server_options.h"

namespace scanserve::server {

// An unset field takes the value of `defaults` (the model's generation_config.json), else Hugging
// Face's. Sampling is on when `do_sample` says so; where the request does not, a temperature in it
// decides, then `defaults`. Off means greedy: temperature 0. `fresh_seed` is used when the request
// names none. `n` is not looked at, and whether max_new_tokens may be 0 is the caller's to say.
// INVALID_ARGUMENT names the field, its value and the limit.
absl::StatusOr<runtime::SamplingParameters> SamplingFromProto(
    const v1::SamplingParameters& proto, const model::GenerationConfig& defaults,
    int64_t vocabulary, const RequestLimits& limits, uint64_t fresh_seed);

// INVALID_ARGUMENT when every token that `tokenizer` has is suppressed.
absl::Status CheckTokensLeft(const runtime::SamplingParameters& sampling,
                             const model::Tokenizer& tokenizer);

// The values in force, each set.
v1::SamplingParameters SamplingToProto(const runtime::SamplingParameters& sampling, int32_t n);

}  // namespace scanserve::server
