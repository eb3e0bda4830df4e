// What the engine is asked to do, and the events by which it answers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/model/adapter.h"
#include "core/order/scan_order.h"
#include "core/order/target_class.h"
#include "core/runtime/observer.h"
#include "core/runtime/sampling_parameters.h"

namespace scanserve::runtime {

// A scan setting whose order is in memory. Holding it keeps the order alive and undeletable.
struct AppliedScan {
  // Null is identity.
  std::shared_ptr<const order::ScanOrder> order;
  // Ascending, below the layer count; empty means all layers.
  std::vector<int32_t> target_layers;
  order::Readout readout = order::Readout::kNaturalLast;
};

// Who goes first when the engine is busy. Low is for work that nobody waits for; it keeps a share.
enum class Priority { kNormal, kLow };

// What all requests have.
struct RequestBasics {
  // For the log.
  std::string id;
  // Who sent it: turns are fair between callers. Empty is unknown, and a caller like any other.
  std::string caller;
  Priority priority = Priority::kNormal;
  // DEADLINE_EXCEEDED once it has passed, queued or running.
  absl::Time deadline = absl::InfiniteFuture();
  AppliedScan scan;
  // Null is the base model.
  std::shared_ptr<const model::Adapter> adapter;
  // False reads every token and leaves the prefix cache as it is: for what is timed.
  bool use_prefix_cache = true;
  // May be null; outlives the request.
  RequestObserver* observer = nullptr;
};

struct Session;

// Continues `prompt`. Events: Started, PromptLogprobs when asked for, Delta.., Finished for each
// answer, SessionMade when asked for, Ended.
struct GenerateRequest {
  RequestBasics basics;
  std::vector<int32_t> prompt;
  // Answers to the one prompt; each takes a state slot.
  int32_t n = 1;
  SamplingParameters sampling;
  // Log probability of each prompt token but the first, with sampling.top_logprobs alternatives.
  bool prompt_logprobs = false;
  // Goes on from here: reads the session's pending tokens and then the prompt, which may be empty
  // when there are any, in natural order, so that `basics.scan` has no order. Null begins anew.
  std::shared_ptr<const Session> session;
  // Asks for SessionMade.
  bool return_session = false;
};

enum class PerplexityMode { kFullWindow, kContinuation, kSliding };

// Scores one document (the modes: docs/scan-orders.md). Events: Started, ScoredTokens.. when
// `per_token`, DocumentScore, Ended.
struct ScoreRequest {
  RequestBasics basics;
  std::vector<int32_t> tokens;
  PerplexityMode mode = PerplexityMode::kFullWindow;
  // kFullWindow: tokens in a window, 0 is the whole document. kSliding: W, at least 2.
  int64_t window_tokens = 0;
  // kSliding: S, 1 to W.
  int64_t stride_tokens = 0;
  // kContinuation: tokens of the prompt pass, at least 1.
  int64_t prefix_tokens = 0;
  bool per_token = false;
  // Says of each target which token was the likeliest in its place.
  bool likeliest = false;
};

enum class HiddenStateKind { kMixerInput, kLayerOutput, kFinalNorm };

// Hidden states of a range of natural positions. Events: Started, HiddenStates, Ended.
struct ExtractRequest {
  RequestBasics basics;
  std::vector<int32_t> tokens;
  HiddenStateKind kind = HiddenStateKind::kMixerInput;
  // Ascending; empty exactly for kFinalNorm.
  std::vector<int32_t> layers;
  // 0 <= begin < end <= tokens.
  int64_t begin_position = 0;
  int64_t end_position = 0;
};

// The request has left the queue and holds a state slot.
struct Started {
  absl::Duration queue_time;
  // Tokens of the first reading whose state came from the prefix cache.
  int64_t cached_tokens = 0;
};

struct TokenLogprob {
  int32_t token = 0;
  // Natural logarithm of the probability.
  float logprob = 0;
  // Likeliest first.
  std::vector<std::pair<int32_t, float>> top;
};

// The whole prompt at once, before the first Delta; the server sends it in chunks at the client's
// pace. Its bytes count against EngineOptions::max_extraction_bytes until the last copy of the
// pointer is gone.
struct PromptLogprobs {
  // Of the prompt's tokens 1, 2, ..: each predicted at the position before it.
  struct Values {
    std::vector<float> logprobs;
    // Alternatives of each.
    int32_t alternatives = 0;
    // [tokens, alternatives], likeliest first.
    std::vector<std::pair<int32_t, float>> top;
    // Empty when all are causal: no order applies.
    std::vector<order::TargetClass> classes;
  };
  std::shared_ptr<const Values> values;
};

// New tokens and the text that is certain by now: whole UTF-8 characters, never part of a stop
// string.
struct Delta {
  // Which of the request's answers, from 0.
  int32_t choice = 0;
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<TokenLogprob> logprobs;
};

enum class FinishReason { kEndOfText, kStopString, kStopToken, kLength };

struct Finished {
  int32_t choice = 0;
  FinishReason reason = FinishReason::kLength;
  std::string stop_string;
  std::optional<int32_t> stop_token;
  int64_t generated_tokens = 0;
};

// Where the conversation stands after the tokens that were returned. Its bytes count against
// EngineOptions::max_extraction_bytes until the last copy of `session` is gone.
struct SessionMade {
  std::shared_ptr<const Session> session;
};

// Scored targets of one window, ascending by position.
struct ScoredTokens {
  struct Target {
    int64_t position;  // natural, in the document
    int32_t token;
    float nll;  // nats
    order::TargetClass target_class;
    // Only when asked for.
    int32_t likeliest = -1;
  };
  std::vector<Target> targets;
};

// A sum of negative log likelihoods in nats.
struct Score {
  double nll = 0;
  int64_t tokens = 0;
};

struct DocumentScore {
  int64_t document_tokens = 0;
  // Those whose state came from the prefix cache.
  int64_t cached_tokens = 0;
  Score all;
  Score leaked;
  Score lookahead;
  Score causal;
  // kContinuation: the target predicted at the readout; part of `all` too.
  Score first_target;
  // UTF-8 bytes of the scored tokens, special tokens count 0.
  int64_t scored_bytes = 0;
  // Why nothing was scored; else empty.
  std::string unscored_reason;
};

// The whole answer at once; the server sends it in chunks at the client's pace. Its bytes count
// against EngineOptions::max_extraction_bytes until the last copy of `data` is gone.
struct HiddenStates {
  // [max(1, layers), end - begin, hidden size] float32, natural order.
  std::shared_ptr<const std::vector<float>> data;
};

// Always the last event.
struct Ended {
  absl::Status status;
  absl::Duration time_to_first_token;
  absl::Duration total_time;
};

using Event = std::variant<Started, PromptLogprobs, Delta, Finished, SessionMade, ScoredTokens,
                           DocumentScore, HiddenStates, Ended>;

}  // namespace scanserve::runtime
