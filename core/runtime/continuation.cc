#include "core/runtime/continuation.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {
namespace {

bool Contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Finished Ending(FinishReason reason) {
  Finished finished;
  finished.reason = reason;
  return finished;
}

}  // namespace

Continuation::Continuation(std::shared_ptr<const GenerateRequest> request,
                           const model::LanguageModel& model, const std::vector<bool>& selectable,
                           std::shared_ptr<RequestStream> stream, int32_t choice)
    : request_(std::move(request)),
      stream_(std::move(stream)),
      choice_(choice),
      sampler_(request_->sampling, selectable, request_->prompt, choice),
      text_(*model.tokenizer, request_->sampling.stop_strings) {
  if (request_->sampling.max_new_tokens == 0) finished_ = Ending(FinishReason::kLength);
  if (const Session* session = request_->session.get()) {
    sampler_.CountEarlier(session->prompt_counts, session->answer_counts);
  }
}

void Continuation::BeginSession(const model::MambaConfig& config, std::function<void()> released) {
  recorder_.emplace(*request_, config, std::move(released));
}

void Continuation::OnRead(const model::SequenceState& state) {
  if (recorder_) recorder_->OnRead(state, sampler_.tokens_chosen(), finished());
}

std::optional<Reading> Continuation::NextReading() {
  if (finished()) {
    finished_->choice = choice_;
    finished_->generated_tokens = sampler_.tokens_chosen();
    stream_->Push(*finished_);
    if (recorder_) stream_->Push(SessionMade{recorder_->Finish()});
    return std::nullopt;
  }
  Reading reading;
  reading.tokens = {last_token_};
  reading.positions = {FirstReadingTokens(*request_) + sampler_.tokens_chosen() - 1};
  reading.fresh_state = false;
  return reading;
}

void Continuation::OnLogits(absl::Span<const float> logits) {
  SCANSERVE_CHECK(!finished());
  TokenLogprob chosen = sampler_.Next(logits);
  last_token_ = chosen.token;
  finished_ = EndingAt(last_token_);
  const bool ended_by_token = finished() && finished_->reason != FinishReason::kLength;
  if (!ended_by_token) Send(text_.Push(std::move(chosen), request_->sampling.logprobs));
  if (finished()) Send(text_.Finish());
  if (text_.stopped_by().has_value()) {
    finished_ = Ending(FinishReason::kStopString);
    finished_->stop_string = *text_.stopped_by();
  }
}

std::optional<Finished> Continuation::EndingAt(int32_t token) const {
  const SamplingParameters& sampling = request_->sampling;
  if (Contains(sampling.stop_token_ids, token)) {
    Finished finished = Ending(FinishReason::kStopToken);
    finished.stop_token = token;
    return finished;
  }
  if (!sampling.ignore_eos && Contains(sampling.eos_token_ids, token)) {
    return Ending(FinishReason::kEndOfText);
  }
  if (sampler_.tokens_chosen() >= sampling.max_new_tokens) return Ending(FinishReason::kLength);
  return std::nullopt;
}

void Continuation::Send(Delta delta) {
  if (recorder_) recorder_->OnReturned(delta.tokens);
  if (delta.text.empty() && delta.tokens.empty()) return;
  delta.choice = choice_;
  stream_->Push(std::move(delta));
}

}  // namespace scanserve::runtime
