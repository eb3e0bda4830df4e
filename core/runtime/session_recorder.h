// Follows one answer and makes the session that stands at its end.
//
// A state cannot go back. While tokens are held back from the client because a stop string may
// still claim them, the recorder keeps a copy of the state from before the first of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/model/mamba.h"
#include "core/runtime/request.h"
#include "core/runtime/session.h"

namespace scanserve::runtime {

// Belongs to one answer.
class SessionRecorder {
 public:
  // `released` is called, on any thread, when the last owner of the session has let it go, or when
  // the answer ended without one.
  SessionRecorder(const GenerateRequest& request, const model::MambaConfig& config,
                  std::function<void()> released);

  // Bytes of the session and of the sealed copy that the server makes; 0 for a request that asks
  // for none.
  static int64_t Bytes(const GenerateRequest& request, const model::MambaConfig& config);

  // The client gets these tokens next.
  void OnReturned(const std::vector<int32_t>& tokens);

  // A reading is done: `state` has read the prompt and, of the `chosen` tokens of the answer, all
  // but the last. `finished` when that was the last reading.
  void OnRead(const model::SequenceState& state, int64_t chosen, bool finished);

  // The session after the tokens that were returned. Once, after the last OnRead().
  std::shared_ptr<const Session> Finish();

 private:
  void Keep(const model::SequenceState& state, int64_t answer_tokens);

  const model::MambaConfig config_;
  // Tokens that are returned can be fewer than those that were read.
  const bool may_go_back_;
  // Grows as the answer does.
  std::shared_ptr<Session> session_;
  std::vector<int32_t> returned_;
  // After the prompt and this many tokens of the answer, never more than were returned.
  std::shared_ptr<model::SequenceState> kept_;
  int64_t kept_tokens_ = 0;
};

}  // namespace scanserve::runtime
