// Which windows of a document are read, and which targets are scored in each.
#pragma once

#include <cstdint>
#include <optional>

#include "core/runtime/request.h"

namespace scanserve::runtime {

// Positions are natural positions in the document.
struct ScoreWindow {
  int64_t begin = 0;
  int64_t length = 0;
  // The first tokens of the window, read as a prompt under the order; the rest is read naturally.
  int64_t prompt_length = 0;
  // Targets from here to the window's end are scored.
  int64_t first_target = 0;
};

// The window after `previous` (the first one without it); nothing when the document is done.
std::optional<ScoreWindow> NextWindow(const ScoreRequest& request,
                                      const std::optional<ScoreWindow>& previous);

// Tokens that the model reads for the whole request, SLIDING counting windows x W.
int64_t ModelTokens(PerplexityMode mode, int64_t document_tokens, int64_t window_tokens,
                    int64_t stride_tokens);

}  // namespace scanserve::runtime
