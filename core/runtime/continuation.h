// One answer to a prompt: chooses token after token, and sends text as it becomes certain.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "core/model/language_model.h"
#include "core/runtime/reading.h"
#include "core/runtime/request_stream.h"
#include "core/runtime/sampler.h"
#include "core/runtime/session_recorder.h"
#include "core/runtime/text_stream.h"

namespace scanserve::runtime {

// Belongs to one sequence at a time; the first token of each answer is chosen by the sequence that
// read the prompt.
class Continuation {
 public:
  // `model` and `selectable` must outlive it. `choice` is the answer's number, from 0.
  Continuation(std::shared_ptr<const GenerateRequest> request, const model::LanguageModel& model,
               const std::vector<bool>& selectable, std::shared_ptr<RequestStream> stream,
               int32_t choice);

  // Whether no further token is wanted.
  bool finished() const { return finished_.has_value(); }
  bool has_token() const { return sampler_.tokens_chosen() > 0; }
  // Chooses the next token from its logits. Not once it is finished.
  void OnLogits(absl::Span<const float> logits);
  // Makes the session that the request asks for. Before the first reading; `released` is called, on
  // any thread, when the last owner of the session has let it go.
  void BeginSession(const model::MambaConfig& config, std::function<void()> released);
  // A reading is done, and left `state` behind.
  void OnRead(const model::SequenceState& state);
  // Reads the token chosen last. Once it is finished, sends Finished and the session, and gives
  // nothing.
  std::optional<Reading> NextReading();

 private:
  // Why the answer ends with `token`, if it does.
  std::optional<Finished> EndingAt(int32_t token) const;
  void Send(Delta delta);

  const std::shared_ptr<const GenerateRequest> request_;
  const std::shared_ptr<RequestStream> stream_;
  const int32_t choice_;
  Sampler sampler_;
  TextStream text_;
  int32_t last_token_ = 0;
  std::optional<Finished> finished_;
  std::optional<SessionRecorder> recorder_;
};

}  // namespace scanserve::runtime
