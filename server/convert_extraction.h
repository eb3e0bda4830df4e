// Requests for hidden states, checked and completed.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/model/mamba_config.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/hidden_state_chunks.h"

namespace scanserve::server {

// What a request asks for, but for its positions.
struct ExtractionChoice {
  runtime::HiddenStateKind kind = runtime::HiddenStateKind::kMixerInput;
  std::vector<int32_t> layers;
  v1::HiddenStateType type = v1::HIDDEN_STATE_TYPE_FLOAT32;
};

// INVALID_ARGUMENT for layers that the model lacks, that do not ascend, or that stand beside
// FINAL_NORM.
absl::StatusOr<ExtractionChoice> ExtractionFromProto(const v1::ExtractHiddenStatesRequest& proto,
                                                     const model::MambaConfig& config);

// The rows of a prompt of `prompt_tokens`. INVALID_ARGUMENT for a range outside of it or an answer
// over `max_bytes` as float32, which is how it is collected.
absl::StatusOr<HiddenStateShape> ExtractionShape(const v1::ExtractHiddenStatesRequest& proto,
                                                 const ExtractionChoice& choice,
                                                 int64_t prompt_tokens, int64_t hidden_size,
                                                 int64_t max_bytes);

v1::HiddenStateKind HiddenStateKindToProto(runtime::HiddenStateKind kind);

}  // namespace scanserve::server
