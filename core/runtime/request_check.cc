#include "core/runtime/request_check.h"

#include <cmath>
#include <vector>
#include "absl/strings/string_view.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/runtime/prompt_scorer.h"
#include "core/runtime/session.h"
#include "core/runtime/session_recorder.h"

namespace scanserve::runtime {
namespace {

absl::Status Fault(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckTokens(absl::string_view field, const std::vector<int32_t>& tokens,
                         const model::MambaConfig& config) {
  if (tokens.empty()) return Fault(field, "no tokens");
  for (const int32_t token : tokens) {
    if (token < 0 || token >= config.vocab_size) {
      return Fault(field, absl::StrCat("token ", token, ", the model has ", config.vocab_size));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLayers(absl::string_view field, const std::vector<int32_t>& layers,
                         const model::MambaConfig& config) {
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] < 0 || layers[i] >= config.num_layers) {
      return Fault(field, absl::StrCat("layer ", layers[i], ", the model has ", config.num_layers));
    }
    if (i > 0 && layers[i] <= layers[i - 1]) {
      return Fault(field, absl::StrCat("layer ", layers[i], " after ", layers[i - 1],
                                       ", expected ascending layers"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckResumed(const GenerateRequest& request, const model::MambaConfig& config) {
  const Session& session = *request.session;
  if (session.state->bytes() != model::SequenceStateBytes(config)) {
    return Fault("session", absl::StrCat("a state of ", session.state->bytes(), " bytes, expected ",
                                         model::SequenceStateBytes(config)));
  }
  if (request.basics.scan.order != nullptr) {
    return Fault("scan", "a session goes on in natural order");
  }
  if (request.prompt_logprobs) {
    return Fault("prompt_logprobs", "not for a prompt that goes on from a session");
  }
  std::vector<int32_t> tokens = session.pending;
  tokens.insert(tokens.end(), request.prompt.begin(), request.prompt.end());
  if (tokens.empty()) {
    return Fault("prompt", "no tokens, and the session has none left to read");
  }
  return CheckTokens("prompt", tokens, config);
}

absl::Status CheckCollectedBytes(const GenerateRequest& request, const model::MambaConfig& config,
                                 int64_t max_bytes) {
  const int64_t scores = PromptScorer::Bytes(request);
  if (scores > max_bytes) {
    return Fault("prompt_logprobs", absl::StrCat("they take ", scores, " bytes, at most ",
                                                 max_bytes, " are collected"));
  }
  const int64_t session = SessionRecorder::Bytes(request, config);
  if (session > max_bytes - scores) {
    return Fault("return_session", absl::StrCat("the session takes ", session, " bytes, at most ",
                                                max_bytes - scores, " are collected"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRequest(const GenerateRequest& request, const model::MambaConfig& config,
                          int64_t max_bytes) {
  SCANSERVE_RETURN_IF_ERROR(request.session == nullptr
                                ? CheckTokens("prompt", request.prompt, config)
                                : CheckResumed(request, config));
  SCANSERVE_RETURN_IF_ERROR(
      CheckLayers("target_layers", request.basics.scan.target_layers, config));
  const SamplingParameters& sampling = request.sampling;
  if (sampling.max_new_tokens < 0) {
    return Fault("max_new_tokens", absl::StrCat(sampling.max_new_tokens, ", expected 0 or more"));
  }
  if (request.n < 1) return Fault("n", absl::StrCat(request.n, ", at least 1"));
  if (request.n > 1 && sampling.max_new_tokens == 0) {
    return Fault("n", absl::StrCat(request.n, ", at most 1 where max_new_tokens is 0"));
  }
  if (request.n > 1 && (request.session != nullptr || request.return_session)) {
    return Fault("n", absl::StrCat(request.n, ", a session has one answer"));
  }
  SCANSERVE_RETURN_IF_ERROR(CheckCollectedBytes(request, config, max_bytes));
  if (!(sampling.temperature >= 0) || !std::isfinite(sampling.temperature)) {
    return Fault("temperature", absl::StrCat(sampling.temperature, ", expected 0 or more"));
  }
  for (const std::string& stop : sampling.stop_strings) {
    if (stop.empty()) return Fault("stop_strings", "an empty string");
  }
  for (const auto& [token, bias] : sampling.logit_bias) {
    SCANSERVE_RETURN_IF_ERROR(CheckTokens("logit_bias", {token}, config));
  }
  if (sampling.suppressed_tokens.empty()) return absl::OkStatus();
  return CheckTokens("suppress_tokens", sampling.suppressed_tokens, config);
}

absl::Status CheckRequest(const ScoreRequest& request, const model::MambaConfig& config) {
  SCANSERVE_RETURN_IF_ERROR(CheckTokens("document", request.tokens, config));
  SCANSERVE_RETURN_IF_ERROR(
      CheckLayers("target_layers", request.basics.scan.target_layers, config));
  switch (request.mode) {
    case PerplexityMode::kFullWindow:
      if (request.window_tokens < 0) {
        return Fault("window_tokens", absl::StrCat(request.window_tokens, ", expected 0 or more"));
      }
      return absl::OkStatus();
    case PerplexityMode::kContinuation:
      if (request.prefix_tokens < 1) {
        return Fault("prefix_tokens", absl::StrCat(request.prefix_tokens, ", at least 1"));
      }
      return absl::OkStatus();
    case PerplexityMode::kSliding:
      if (request.basics.scan.order != nullptr) {
        return Fault("scan", "SLIDING reads in natural order only");
      }
      if (request.window_tokens < 2) {
        return Fault("window_tokens", absl::StrCat(request.window_tokens, ", at least 2"));
      }
      if (request.stride_tokens < 1 || request.stride_tokens > request.window_tokens) {
        return Fault("stride_tokens", absl::StrCat(request.stride_tokens, ", expected 1 to ",
                                                   request.window_tokens));
      }
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const ExtractRequest& request, const model::MambaConfig& config,
                          int64_t max_bytes) {
  SCANSERVE_RETURN_IF_ERROR(CheckTokens("prompt", request.tokens, config));
  SCANSERVE_RETURN_IF_ERROR(
      CheckLayers("target_layers", request.basics.scan.target_layers, config));
  SCANSERVE_RETURN_IF_ERROR(CheckLayers("layers", request.layers, config));
  const bool final_norm = request.kind == HiddenStateKind::kFinalNorm;
  if (final_norm != request.layers.empty()) {
    return Fault("layers", final_norm ? "the final norm has no layers" : "none named");
  }
  const auto length = static_cast<int64_t>(request.tokens.size());
  if (request.begin_position < 0 || request.begin_position >= request.end_position ||
      request.end_position > length) {
    return Fault("begin_position", absl::StrCat("range [", request.begin_position, ", ",
                                                request.end_position, ") of ", length, " tokens"));
  }
  const int64_t matrices = final_norm ? 1 : static_cast<int64_t>(request.layers.size());
  const int64_t bytes = matrices * (request.end_position - request.begin_position) *
                        config.hidden_size * static_cast<int64_t>(sizeof(float));
  if (bytes > max_bytes) {
    return Fault("layers", absl::StrCat("the answer takes ", bytes, " bytes, at most ", max_bytes));
  }
  return absl::OkStatus();
}

}  // namespace scanserve::runtime
