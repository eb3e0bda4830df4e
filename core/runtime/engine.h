// The engine: one thread that owns the model, the state slots and the running sequences.
//
// Each step takes one token of every decoding sequence and chunks of prompts up to a token budget,
// and runs them through the model as one packed batch. Generation, scoring and extraction all pass
// through this loop. A result depends on its own request alone: never on what else is in the batch,
// on the chunks, or on the number of threads (numerics id f32.k1).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "core/model/language_model.h"
#include "core/runtime/request.h"
#include "core/runtime/request_stream.h"

namespace scanserve::runtime {

struct EngineOptions {
  // Threads that compute, the engine's own among them. 0: one for each processor.
  int threads = 0;
  // Sequences that run at once. Each costs StateSlot memory: see GetServerInfo or the log at start.
  int32_t state_slots = 64;
  // Tokens in one step. More reads prompts faster and lets running sequences wait longer for a
  // step.
  int64_t step_tokens = 512;
  // Tokens that one prompt may take of a step while others wait.
  int64_t prompt_chunk_tokens = 512;
  // Requests that wait for a slot; one more is RESOURCE_EXHAUSTED.
  int64_t queued_requests = 256;
  // Tokens of all waiting requests together.
  int64_t queued_tokens = 16'000'000;
  // Events that wait for a slow reader before its sequence pauses.
  int64_t stream_events = 64;
  // A sequence paused for longer ends with RESOURCE_EXHAUSTED.
  absl::Duration stall_limit = absl::Seconds(30);
  // Bytes of hidden states and log probabilities of prompts, over all requests, that are being
  // collected or not yet sent.
  int64_t max_extraction_bytes = int64_t{1} << 30;
  // For tests: called on the engine's thread before each step that has work.
  std::function<void(int64_t step)> before_step;
  // For tests: fills the state of a slot with NaN when it is given back.
  bool poison_freed_state = false;
};

// The engine at one moment.
struct EngineStats {
  int32_t slots_total = 0;
  int32_t slots_used = 0;
  int64_t running = 0;
  int64_t queued = 0;
  int64_t steps = 0;
};

class Engine {
 public:
  // Starts the thread. Requests must fit the model: the caller has checked token ids, layers and
  // ranges (a request that does not is INVALID_ARGUMENT).
  static std::unique_ptr<Engine> Create(const EngineOptions& options,
                                        std::shared_ptr<const model::LanguageModel> model);
  // Ends every request with CANCELLED and joins the thread.
  virtual ~Engine() = default;

  // Each puts a request into the queue and returns at once; answers come by the stream.
  // Thread-safe. RESOURCE_EXHAUSTED: the queue is full. INVALID_ARGUMENT: the request does not fit
  // the model. UNAVAILABLE: CancelAll() was called.
  virtual absl::StatusOr<std::shared_ptr<RequestStream>> Generate(GenerateRequest request) = 0;
  virtual absl::StatusOr<std::shared_ptr<RequestStream>> Score(ScoreRequest request) = 0;
  virtual absl::StatusOr<std::shared_ptr<RequestStream>> Extract(ExtractRequest request) = 0;

  virtual EngineStats stats() const = 0;

  // Ends every request, waiting or running, with `status`, and refuses later ones. For shutdown.
  virtual void CancelAll(absl::Status status) = 0;
};

}  // namespace scanserve::runtime
