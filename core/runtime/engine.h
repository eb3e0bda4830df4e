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
#include "absl/time/time.h"
#include "core/model/language_model.h"
#include "core/runtime/observer.h"
#include "core/runtime/prefix_cache.h"
#include "core/runtime/request.h"
#include "core/runtime/request_stream.h"

namespace scanserve::runtime {

struct EngineOptions {
  // Threads that compute, the engine's own among them. 0: one for each processor.
  int threads = 0;
  // Sequences that run at once. More raise the throughput and make each of them slower; each takes
  // the memory of a state from the moment when it is first needed.
  int32_t state_slots = 64;
  // Tokens in one step, at least one for each slot. More read prompts faster while nothing decodes,
  // and cost memory for intermediate values; how long decoding sequences wait for a step is
  // bounded by the two slowdowns.
  int64_t step_tokens = 512;
  // Tokens that one prompt may take of a step while others wait.
  int64_t prompt_chunk_tokens = 512;
  // While sequences decode, so much is read in a step that it takes at most so many times as long
  // as one that only decodes: when prompts of normal priority are read, and when only low ones are.
  // More reads faster and makes the gaps between tokens longer; 1 reads as little as possible.
  double prompt_slowdown = 2.5;
  double low_priority_slowdown = 2.25;
  // Of the tokens read and the requests admitted, the part that is low priority's while there is
  // normal work for all.
  double low_priority_share = 0.2;
  // Requests that wait for a slot; one more is RESOURCE_EXHAUSTED. More wait longer.
  int64_t queued_requests = 256;
  // Tokens of all waiting requests together.
  int64_t queued_tokens = 16'000'000;
  // Events that wait for a slow reader before its sequence pauses.
  int64_t stream_events = 64;
  // A sequence paused for longer leaves its slot to others and is parked: it gets one again, before
  // those that wait, when its reader reads again. Sooner frees slots and parks readers that were
  // merely slow.
  absl::Duration stall_park = absl::Seconds(2);
  // Memory of parked sequences. Over it the one stalled longest ends with RESOURCE_EXHAUSTED.
  int64_t park_bytes = int64_t{256} << 20;
  // A sequence paused for longer, parked or not, ends with RESOURCE_EXHAUSTED.
  absl::Duration stall_limit = absl::Seconds(30);
  // Bytes of hidden states, log probabilities of prompts and returned sessions, over all requests,
  // that are being collected or not yet sent.
  int64_t max_extraction_bytes = int64_t{1} << 30;
  // Memory of the prefix cache, see docs/prefix-cache.md; 0 turns it off. An entry costs a state
  // slot's memory and one copy of it.
  int64_t prefix_cache_bytes = int64_t{128} << 20;
  // Tokens between the states that are stored of a prompt. Fewer find more of a shared beginning,
  // fill the cache sooner, and cut prompts into smaller chunks.
  int64_t prefix_block_tokens = 256;
  // Told of each step; may be null, outlives the engine.
  EngineObserver* observer = nullptr;
  // For tests: called on the engine's thread before each step that has work.
  std::function<void(int64_t step)> before_step;
  // For tests: fills the state of a slot or cache entry with NaN when it is given back.
  bool poison_freed_state = false;
};

// The engine at one moment. When nothing is asked of it, what counts slots, sequences, requests and
// their memory is 0.
struct EngineStats {
  int32_t slots_total = 0;
  int32_t slots_used = 0;
  // Sequences that hold a slot and take part in steps.
  int64_t running = 0;
  // Requests that wait for a slot, those of low priority among them, and the tokens that they will
  // read.
  int64_t queued = 0;
  int64_t queued_low = 0;
  int64_t queued_tokens = 0;
  // Requests that were parked because nobody reads, and the memory that they hold.
  int64_t parked = 0;
  int64_t parked_bytes = 0;
  // Hidden states that are being collected or not yet sent.
  int64_t extraction_bytes = 0;
  // Since the start: steps begun, and the time from beginning to end of those that ended.
  int64_t steps = 0;
  absl::Duration step_time;
  // When the last one ended; InfinitePast before the first.
  absl::Time last_step = absl::InfinitePast();
  // Since when requests have been waiting without a break; InfiniteFuture when none waits.
  absl::Time waiting_since = absl::InfiniteFuture();
  PrefixCacheStats prefix_cache;
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
  // Thread-safe. RESOURCE_EXHAUSTED: the queue is full; the status says when to try again
  // (base/retry_delay.h). INVALID_ARGUMENT: the request does not fit the model. UNAVAILABLE:
  // CancelAll() was called.
  virtual absl::StatusOr<std::shared_ptr<RequestStream>> Generate(GenerateRequest request) = 0;
  virtual absl::StatusOr<std::shared_ptr<RequestStream>> Score(ScoreRequest request) = 0;
  virtual absl::StatusOr<std::shared_ptr<RequestStream>> Extract(ExtractRequest request) = 0;

  virtual EngineStats stats() const = 0;

  // Ends every request, waiting or running, with `status`, and refuses later ones. For shutdown.
  virtual void CancelAll(absl::Status status) = 0;
};

}  // namespace scanserve::runtime
