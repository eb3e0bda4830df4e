// One request's work as the engine sees it: what to read next, and what to do with the results.
//
// All calls come from the engine's thread, but for OnLogits. A job pushes its events into its
// stream; the engine pushes Started before the first reading and Ended after the last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "core/runtime/reading.h"
#include "core/runtime/request.h"
#include "core/runtime/request_stream.h"

namespace scanserve::runtime {

class Job {
 public:
  virtual ~Job() = default;

  virtual const RequestBasics& basics() const = 0;
  // Tokens that it will read at most before it decodes: what the queue counts.
  virtual int64_t prompt_tokens() const = 0;
  // Bytes that it will collect before it can deliver.
  virtual int64_t collected_bytes() const { return 0; }

  // State slots that the request needs, all taken when it is admitted.
  virtual int32_t slots() const { return 1; }

  // The present reading has been read, and left `state` behind. Before Fork() and NextReading().
  virtual void OnRead(const model::SequenceState& /*state*/) {}

  // What to read next; nothing when the job is done. Called when the one before has been read. The
  // first call pushes no events: Started follows it.
  virtual std::optional<Reading> NextReading() = 0;
  // Started was pushed: pushes what there is to say before anything is read.
  virtual void OnStarted() {}
  // The first tokens of the present reading need not be read: their state was in the prefix cache.
  virtual void OnCachedTokens(int64_t /*tokens*/) {}
  // The last call of a job that is done: pushes what there is to say at the end.
  virtual void Finish() {}

  // The request's other sequences, at most slots() - 1. Called once, when the first reading has
  // been read and before NextReading() is asked again. Each job that is returned goes on from a
  // copy of the state, as a sequence of its own that is asked for its NextReading(), and is not
  // asked for forks. All share the stream: the engine pushes Ended after the last of them.
  virtual std::vector<std::unique_ptr<Job>> Fork() { return {}; }

  // Whether the logits at a position of the present reading are needed; if so, they come by
  // OnLogits. Does not change while the reading lasts.
  virtual bool WantsLogits(int64_t position) const = 0;
  // Called while nothing else of this job is, on any of the computing threads: other jobs, forks of
  // the same request among them, get theirs at the same time. In the order of the reading.
  virtual void OnLogits(int64_t position, absl::Span<const float> logits) = 0;
  // Whether OnLogits may be called for several positions at once, in any order: rows of a scored
  // window then keep all threads busy.
  virtual bool logits_in_any_order() const { return false; }

  // The hidden states that are needed, if any. For kFinalNorm `layer` is 0.
  virtual std::optional<HiddenStateKind> hidden_kind() const { return std::nullopt; }
  virtual bool WantsHidden(int64_t /*layer*/, int64_t /*position*/) const { return false; }
  virtual void OnHidden(int64_t /*layer*/, int64_t /*position*/, absl::Span<const float> /*row*/) {}

  // True once a token was chosen; the engine notes the time.
  virtual bool has_first_token() const { return false; }
};

}  // namespace scanserve::runtime
