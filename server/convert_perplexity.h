// Settings of a perplexity call, checked, with their defaults filled in.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/server_options.h"

namespace scanserve::server {

// What is scored in every document of a call; fields as in runtime::ScoreRequest.
struct ScoringRules {
  runtime::PerplexityMode mode = runtime::PerplexityMode::kFullWindow;
  int64_t window_tokens = 0;
  int64_t stride_tokens = 0;
  int64_t prefix_tokens = 0;
  bool per_token = false;
  // Longest prompt pass: of a window or a prefix.
  int64_t max_prompt_tokens = 0;
};

// INVALID_ARGUMENT names the field: a window, stride or prefix out of range or without meaning in
// the mode. `max_prompt_tokens` bounds windows and prefixes.
absl::StatusOr<ScoringRules> ScoringRulesFromProto(const v1::PerplexitySettings& proto,
                                                   int64_t max_prompt_tokens);

// Tokens that the model reads for a document, at least 1: empty documents are work too.
int64_t ModelTokens(const ScoringRules& rules, int64_t document_tokens);

// INVALID_ARGUMENT when the document itself is the window and is too long for one.
absl::Status CheckDocumentTokens(const ScoringRules& rules, int64_t document_tokens);

}  // namespace scanserve::server
