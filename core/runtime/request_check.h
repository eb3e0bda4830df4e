// Whether a request fits the model and the engine. INVALID_ARGUMENT names the field, its value and
// the limit.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "core/model/mamba_config.h"
#include "core/runtime/request.h"

namespace scanserve::runtime {

// `max_bytes` bounds what is collected: log probabilities of the prompt, hidden states.
absl::Status CheckRequest(const GenerateRequest& request, const model::MambaConfig& config,
                          int64_t max_bytes);
absl::Status CheckRequest(const ScoreRequest& request, const model::MambaConfig& config);
absl::Status CheckRequest(const ExtractRequest& request, const model::MambaConfig& config,
                          int64_t max_bytes);

}  // namespace scanserve::runtime
