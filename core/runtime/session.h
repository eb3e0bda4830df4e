// Where a conversation stands between two requests: what the engine needs to go on as though it had
// never stopped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/model/mamba.h"

namespace scanserve::runtime {

// How often each token stands in a text; counts are at least 1.
using TokenCounts = std::map<int32_t, int32_t>;

// Immutable once made. Everything in it follows from the prompts and from the tokens that were
// returned: what the engine chose beyond them, such as the tokens of a stop string, left no trace.
struct Session {
  // After `tokens_read` tokens, all prompts and answers together.
  std::shared_ptr<const model::SequenceState> state;
  int64_t tokens_read = 0;
  // Returned, but not read yet: they come first when the session goes on.
  std::vector<int32_t> pending;
  // What the penalties count: of all prompts, and of all answers.
  TokenCounts prompt_counts;
  TokenCounts answer_counts;
  // The generator's key, and the index of its next draw.
  uint64_t seed = 0;
  uint64_t next_draw = 0;
};

// The session in our own binary format, whose version is its first number. It is for one config of
// the model, and for all machines: the state's layout does not depend on the processor.
std::string EncodeSession(const Session& session);

// What EncodeSession() gave for a model of this config. INVALID_ARGUMENT for anything else: lengths
// are compared with what is there before memory is taken for them, ids with the vocabulary.
absl::StatusOr<Session> DecodeSession(absl::string_view bytes, const model::MambaConfig& config);

}  // namespace scanserve::runtime
