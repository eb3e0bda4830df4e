#include "server/convert_perplexity.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/runtime/score_windows.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

constexpr int64_t kDefaultWindowTokens = 512;

absl::Status CheckUnset(absl::string_view field, int64_t value, absl::string_view mode) {
  if (value == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("settings.", field, ": ", value, ", ", mode, " has none"));
}

absl::Status ReadFullWindow(const v1::PerplexitySettings& proto, ScoringRules& rules) {
  rules.mode = runtime::PerplexityMode::kFullWindow;
  rules.window_tokens = proto.window_tokens();
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("settings.window_tokens", rules.window_tokens, 0, rules.max_prompt_tokens));
  SCANSERVE_RETURN_IF_ERROR(CheckUnset("stride_tokens", proto.stride_tokens(), "FULL_WINDOW"));
  return CheckUnset("prefix_tokens", proto.prefix_tokens(), "FULL_WINDOW");
}

absl::Status ReadContinuation(const v1::PerplexitySettings& proto, ScoringRules& rules) {
  rules.mode = runtime::PerplexityMode::kContinuation;
  rules.prefix_tokens = proto.prefix_tokens();
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("settings.prefix_tokens", rules.prefix_tokens, 1, rules.max_prompt_tokens));
  SCANSERVE_RETURN_IF_ERROR(CheckUnset("window_tokens", proto.window_tokens(), "CONTINUATION"));
  return CheckUnset("stride_tokens", proto.stride_tokens(), "CONTINUATION");
}

absl::Status ReadSliding(const v1::PerplexitySettings& proto, ScoringRules& rules) {
  rules.mode = runtime::PerplexityMode::kSliding;
  rules.window_tokens = proto.window_tokens() == 0
                            ? std::min(kDefaultWindowTokens, rules.max_prompt_tokens)
                            : proto.window_tokens();
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("settings.window_tokens", rules.window_tokens, 2, rules.max_prompt_tokens));
  rules.stride_tokens =
      proto.stride_tokens() == 0 ? rules.window_tokens / 2 : proto.stride_tokens();
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("settings.stride_tokens", rules.stride_tokens, 1, rules.window_tokens));
  return CheckUnset("prefix_tokens", proto.prefix_tokens(), "SLIDING");
}

}  // namespace

absl::StatusOr<ScoringRules> ScoringRulesFromProto(const v1::PerplexitySettings& proto,
                                                   int64_t max_prompt_tokens) {
  ScoringRules rules;
  rules.per_token = proto.per_token();
  rules.max_prompt_tokens = max_prompt_tokens;
  switch (proto.mode()) {
    case v1::PERPLEXITY_MODE_UNSPECIFIED:
    case v1::PERPLEXITY_MODE_FULL_WINDOW:
      SCANSERVE_RETURN_IF_ERROR(ReadFullWindow(proto, rules));
      return rules;
    case v1::PERPLEXITY_MODE_CONTINUATION:
      SCANSERVE_RETURN_IF_ERROR(ReadContinuation(proto, rules));
      return rules;
    case v1::PERPLEXITY_MODE_SLIDING:
      SCANSERVE_RETURN_IF_ERROR(ReadSliding(proto, rules));
      return rules;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "settings.mode: ", static_cast<int>(proto.mode()), " is not a mode of perplexity"));
  }
}

int64_t ModelTokens(const ScoringRules& rules, int64_t document_tokens) {
  return std::max<int64_t>(1, runtime::ModelTokens(rules.mode, document_tokens, rules.window_tokens,
                                                   rules.stride_tokens));
}

absl::Status CheckDocumentTokens(const ScoringRules& rules, int64_t document_tokens) {
  const bool one_window =
      rules.mode == runtime::PerplexityMode::kFullWindow && rules.window_tokens == 0;
  if (!one_window) return absl::OkStatus();
  return CheckAtMost("document", document_tokens, rules.max_prompt_tokens,
                     "tokens in one window (settings.window_tokens divides it)");
}

}  // namespace scanserve::server
