// Prompts as tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

using TokensOrStatus = absl::StatusOr<std::vector<int32_t>>;

// Checks and tokenizes `prompt` and calls `done` once: on this thread, or for a long text later on
// the tokenizing thread. INVALID_ARGUMENT when nothing is set, the text has more than `max_bytes`
// or is no UTF-8, or an id is not in the model's vocabulary; RESOURCE_EXHAUSTED when too many long
// texts wait. `prompt` must stay until `done` was called. How many tokens there may be is the
// caller's to check.
void ReadPrompt(Backend& backend, const v1::Prompt& prompt, int64_t max_bytes,
                std::function<void(TokensOrStatus)> done);

// Whether tokenizing takes longer than gRPC's own threads can spare.
bool IsLongText(const v1::Prompt& prompt);

// The same at once, whatever the length.
TokensOrStatus PromptTokens(const model::LanguageModel& model, const v1::Prompt& prompt,
                            int64_t max_bytes);

// RESOURCE_EXHAUSTED with a delay after which to try again.
absl::Status TooManyLongTexts();

// INVALID_ARGUMENT when a prompt has no tokens or more than `limit`.
absl::Status CheckPromptTokens(int64_t tokens, int64_t limit);

}  // namespace scanserve::server
