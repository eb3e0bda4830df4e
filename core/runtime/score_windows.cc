#include "core/runtime/score_windows.h"

#include <algorithm>

namespace scanserve::runtime {
namespace {

std::optional<ScoreWindow> FullWindow(int64_t begin, int64_t document, int64_t window_tokens) {
  if (begin >= document) return std::nullopt;
  const int64_t length = window_tokens == 0 ? document : std::min(window_tokens, document - begin);
  return ScoreWindow{begin, length, length, begin + 1};
}

}  // namespace

std::optional<ScoreWindow> NextWindow(const ScoreRequest& request,
                                      const std::optional<ScoreWindow>& previous) {
  const auto document = static_cast<int64_t>(request.tokens.size());
  const int64_t end = previous.has_value() ? previous->begin + previous->length : 0;
  switch (request.mode) {
    case PerplexityMode::kFullWindow:
      return FullWindow(end, document, request.window_tokens);
    case PerplexityMode::kContinuation:
      if (previous.has_value() || document <= request.prefix_tokens) return std::nullopt;
      return ScoreWindow{0, document, request.prefix_tokens, request.prefix_tokens};
    case PerplexityMode::kSliding: {
      if (end >= document) return std::nullopt;
      const int64_t begin = previous.has_value() ? previous->begin + request.stride_tokens : 0;
      const int64_t length = std::min(request.window_tokens, document - begin);
      return ScoreWindow{begin, length, length, std::max(begin + 1, end)};
    }
  }
  return std::nullopt;
}

int64_t ModelTokens(PerplexityMode mode, int64_t document_tokens, int64_t window_tokens,
                    int64_t stride_tokens) {
  if (mode != PerplexityMode::kSliding || document_tokens <= window_tokens) return document_tokens;
  const int64_t after_first = (document_tokens - window_tokens + stride_tokens - 1) / stride_tokens;
  return (1 + after_first) * window_tokens;
}

}  // namespace scanserve::runtime
