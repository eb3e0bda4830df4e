#include "core/runtime/generate_job.h"

#include <utility>

namespace scanserve::runtime {
namespace {

// An answer beside the first, from the prompt's state on.
class ForkedContinuation final : public Job {
 public:
  ForkedContinuation(std::shared_ptr<const GenerateRequest> request,
                     std::unique_ptr<Continuation> answer)
      : request_(std::move(request)), answer_(std::move(answer)) {}

  const RequestBasics& basics() const override { return request_->basics; }
  int64_t prompt_tokens() const override { return 0; }
  std::optional<Reading> NextReading() override { return answer_->NextReading(); }
  bool WantsLogits(int64_t /*position*/) const override { return true; }
  void OnLogits(int64_t /*position*/, absl::Span<const float> logits) override {
    answer_->OnLogits(logits);
  }
  bool has_first_token() const override { return answer_->has_token(); }

 private:
  const std::shared_ptr<const GenerateRequest> request_;
  const std::unique_ptr<Continuation> answer_;
};

}  // namespace

GenerateJob::GenerateJob(GenerateRequest request, const model::LanguageModel& model,
                         const std::vector<bool>& selectable, std::shared_ptr<RequestStream> stream,
                         Released released)
    : request_(std::make_shared<const GenerateRequest>(std::move(request))),
      model_(model),
      stream_(std::move(stream)),
      released_(std::move(released)) {
  for (int32_t choice = 0; choice < request_->n; ++choice) {
    answers_.push_back(
        std::make_unique<Continuation>(request_, model, selectable, stream_, choice));
  }
  if (request_->prompt_logprobs) {
    scorer_.emplace(*request_, model.config, released_.prompt_logprobs);
  }
}

std::optional<Reading> GenerateJob::NextReading() {
  if (stage_ == Stage::kWaiting) {
    stage_ = Stage::kPrompt;
    if (scorer_.has_value()) scorer_->Begin();
    if (request_->return_session) {
      answers_.front()->BeginSession(model_.config, released_.session);
    }
    return FirstReading(*request_, model_.config.num_layers);
  }
  stage_ = Stage::kAnswer;
  return answers_.front()->NextReading();
}

void GenerateJob::OnStarted() {
  // Of a prompt of one token there is nothing to score.
  if (scorer_.has_value() && scorer_->complete()) stream_->Push(scorer_->Take());
}

std::vector<std::unique_ptr<Job>> GenerateJob::Fork() {
  std::vector<std::unique_ptr<Job>> forks;
  for (size_t i = 1; i < answers_.size(); ++i) {
    forks.push_back(std::make_unique<ForkedContinuation>(request_, std::move(answers_[i])));
  }
  answers_.resize(1);
  return forks;
}

bool GenerateJob::WantsLogits(int64_t position) const {
  if (stage_ == Stage::kAnswer) return true;
  // The readout, unless nothing is to be chosen from it.
  if (position == prompt_tokens() - 1) return !answers_.front()->finished();
  return scorer_.has_value();
}

void GenerateJob::OnLogits(int64_t position, absl::Span<const float> logits) {
  if (stage_ == Stage::kAnswer) return answers_.front()->OnLogits(logits);
  OnPromptLogits(position, logits);
}

void GenerateJob::OnPromptLogits(int64_t position, absl::Span<const float> logits) {
  const bool scored_before = !scorer_.has_value() || scorer_->complete();
  if (position == prompt_tokens() - 1) {
    // Under an order the readout may come before other positions.
    if (scored_before) return ChooseFirstTokens(logits);
    readout_.assign(logits.begin(), logits.end());
    return;
  }
  scorer_->OnLogits(position, logits);
  if (!scorer_->complete()) return;
  stream_->Push(scorer_->Take());
  if (!readout_.empty()) ChooseFirstTokens(std::exchange(readout_, {}));
}

void GenerateJob::ChooseFirstTokens(absl::Span<const float> logits) {
  for (const auto& answer : answers_) answer->OnLogits(logits);
}

}  // namespace scanserve::runtime
