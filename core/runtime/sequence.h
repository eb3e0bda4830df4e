// A request between its submission and its end, and the engine's memory of how far it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/aligned_buffer.h"
#include "core/model/mamba.h"
#include "core/runtime/job.h"
#include "core/runtime/prefix_trace.h"
#include "core/runtime/reading.h"
#include "core/runtime/request_stream.h"
#include "core/runtime/state_slots.h"

namespace scanserve::runtime {

// What the sequences of one request share: one at first, more once its job has forked. Belongs to
// the engine's thread once it has left the queue.
struct ActiveRequest {
  std::shared_ptr<RequestStream> stream;
  SlotHolder holder;
  absl::Time submitted;
  // Whether Started was pushed.
  bool started = false;
  absl::Time first_token = absl::InfiniteFuture();
  // When its reader's queue was found full; InfiniteFuture while it has room.
  absl::Time paused_since = absl::InfiniteFuture();
  // Why it ends before it is done.
  absl::Status status;
  // Its sequences that have not ended.
  int32_t sequences = 1;
  // State slots that are held for its forks.
  std::vector<std::unique_ptr<model::SequenceState>> fork_states;
  // Whether its sequences have left their slots because nobody reads.
  bool parked = false;

  // Whether its reader has room; notes since when it has not.
  bool HasRoom(absl::Time now) {
    const bool has_room = stream->HasRoom();
    paused_since = has_room ? absl::InfiniteFuture() : std::min(paused_since, now);
    return has_room;
  }
};

// Belongs to the engine's thread once it has left the queue.
struct Sequence {
  std::unique_ptr<Job> job;
  std::shared_ptr<ActiveRequest> request;
  // False until the first reading has been read and the job was asked for forks.
  bool forked = false;
  // Where its turn ended among the readers of its priority, in tokens (StepPlanner).
  int64_t finish_tag = 0;

  // While it runs or is parked.
  std::unique_ptr<model::SequenceState> state;
  Reading reading;
  // Tokens of the reading that are read; in a pass layer by layer, those of the present layer.
  int64_t tokens_read = 0;
  // Of a pass layer by layer: the present layer (the layer count: its outputs), and the residual of
  // all tokens, [tokens, hidden].
  int64_t layer = 0;
  base::AlignedBuffer residual;
  PrefixTrace prefix;
  // When its last token was chosen; nothing before the first.
  std::optional<absl::Time> last_token;

  int64_t tokens_left() const { return reading.size() - tokens_read; }
  // The largest chunk that may be read next.
  int64_t max_chunk_tokens() const { return prefix.ChunkTokens(tokens_left()); }
  // Whether all of the reading has been read. The residual goes when the outputs are done.
  bool reading_is_done() const { return tokens_left() == 0 && residual.size() == 0; }
};

}  // namespace scanserve::runtime
