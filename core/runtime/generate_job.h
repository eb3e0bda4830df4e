// Reads a prompt and continues it token by token, once or several times.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/model/language_model.h"
#include "core/runtime/continuation.h"
#include "core/runtime/job.h"
#include "core/runtime/prompt_scorer.h"

namespace scanserve::runtime {

// Goes on as answer 0; its forks are the others.
class GenerateJob : public Job {
 public:
  // What is called, on any thread, when the bytes that it collected are freed.
  struct Released {
    std::function<void()> prompt_logprobs;
    std::function<void()> session;
  };

  // `model` and `selectable` must outlive it.
  GenerateJob(GenerateRequest request, const model::LanguageModel& model,
              const std::vector<bool>& selectable, std::shared_ptr<RequestStream> stream,
              Released released);

  const RequestBasics& basics() const override { return request_->basics; }
  int64_t prompt_tokens() const override { return FirstReadingTokens(*request_); }
  int64_t collected_bytes() const override {
    return PromptScorer::Bytes(*request_) + SessionRecorder::Bytes(*request_, model_.config);
  }
  int32_t slots() const override { return request_->n; }
  void OnRead(const model::SequenceState& state) override { answers_.front()->OnRead(state); }
  std::optional<Reading> NextReading() override;
  void OnStarted() override;
  std::vector<std::unique_ptr<Job>> Fork() override;
  bool WantsLogits(int64_t position) const override;
  void OnLogits(int64_t position, absl::Span<const float> logits) override;
  bool has_first_token() const override { return answers_.front()->has_token(); }

 private:
  enum class Stage { kWaiting, kPrompt, kAnswer };

  void OnPromptLogits(int64_t position, absl::Span<const float> logits);
  void ChooseFirstTokens(absl::Span<const float> logits);

  const std::shared_ptr<const GenerateRequest> request_;
  const model::LanguageModel& model_;
  const std::shared_ptr<RequestStream> stream_;
  const Released released_;
  Stage stage_ = Stage::kWaiting;
  // Its own first; the others until they are forked.
  std::vector<std::unique_ptr<Continuation>> answers_;
  // When asked for.
  std::optional<PromptScorer> scorer_;
  // The prompt's readout, while log probabilities that go before the answer are missing.
  std::vector<float> readout_;
};

}  // namespace scanserve::runtime
