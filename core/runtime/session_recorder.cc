#include "core/runtime/session_recorder.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {

int64_t SessionRecorder::Bytes(const GenerateRequest& request, const model::MambaConfig& config) {
  return request.return_session ? 2 * model::SequenceStateBytes(config) : 0;
}

SessionRecorder::SessionRecorder(const GenerateRequest& request, const model::MambaConfig& config,
                                 std::function<void()> released)
    : config_(config),
      may_go_back_(!request.sampling.stop_strings.empty()),
      session_(new Session, [released = std::move(released)](Session* session) {
        delete session;
        released();
      }) {
  session_->seed = request.sampling.seed;
  session_->next_draw = request.sampling.first_draw;
  session_->tokens_read = static_cast<int64_t>(request.prompt.size());
  if (const Session* resumed = request.session.get()) {
    session_->tokens_read += resumed->tokens_read + static_cast<int64_t>(resumed->pending.size());
    session_->prompt_counts = resumed->prompt_counts;
    session_->answer_counts = resumed->answer_counts;
  }
  for (const int32_t token : request.prompt) ++session_->prompt_counts[token];
}

void SessionRecorder::OnReturned(const std::vector<int32_t>& tokens) {
  returned_.insert(returned_.end(), tokens.begin(), tokens.end());
}

void SessionRecorder::OnRead(const model::SequenceState& state, int64_t chosen, bool finished) {
  const int64_t read = std::max<int64_t>(chosen - 1, 0);
  const auto returned = static_cast<int64_t>(returned_.size());
  if (finished) {
    if (read <= returned) Keep(state, read);
    return;
  }
  if (returned == chosen) {
    kept_ = nullptr;
  } else if (may_go_back_ && read == returned) {
    Keep(state, read);
  }
}

void SessionRecorder::Keep(const model::SequenceState& state, int64_t answer_tokens) {
  if (kept_ == nullptr) kept_ = std::make_shared<model::SequenceState>(config_);
  kept_->CopyFrom(state);
  kept_tokens_ = answer_tokens;
}

std::shared_ptr<const Session> SessionRecorder::Finish() {
  SCANSERVE_CHECK(kept_ != nullptr);
  session_->state = std::move(kept_);
  session_->tokens_read += kept_tokens_;
  session_->pending.assign(returned_.begin() + kept_tokens_, returned_.end());
  session_->next_draw += returned_.size();
  for (const int32_t token : returned_) ++session_->answer_counts[token];
  return std::move(session_);
}

}  // namespace scanserve::runtime
