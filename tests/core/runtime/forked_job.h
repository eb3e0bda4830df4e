// Greedy continuations of one prompt by sequences that fork: what each of them chose.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/runtime/job.h"

namespace scanserve::runtime {

// Choice i chooses the (i + 1)-th likeliest token after the prompt and the likeliest from there on,
// `lengths[i]` tokens in all; choice 0 is the job that is submitted. Each pushes its tokens as one
// Delta at its end.
class ForkedJob : public Job {
 public:
  ForkedJob(std::vector<int32_t> prompt, std::vector<int32_t> lengths,
            std::shared_ptr<RequestStream> stream, RequestBasics basics = {})
      : basics_(std::move(basics)),
        prompt_(std::move(prompt)),
        lengths_(std::move(lengths)),
        stream_(std::move(stream)) {}

  const RequestBasics& basics() const override { return basics_; }
  int64_t prompt_tokens() const override { return static_cast<int64_t>(prompt_.size()); }
  int32_t slots() const override { return static_cast<int32_t>(lengths_.size()); }

  std::optional<Reading> NextReading() override {
    if (!prompt_read_) {
      prompt_read_ = true;
      return PromptReading(basics_.scan, /*num_layers=*/0, prompt_, 0, prompt_tokens());
    }
    if (static_cast<int32_t>(tokens_.size()) == lengths_[choice_]) {
      Delta delta;
      delta.tokens = tokens_;
      stream_->Push(std::move(delta));
      return std::nullopt;
    }
    Reading reading;
    reading.tokens = {tokens_.back()};
    reading.positions = {prompt_tokens() + static_cast<int64_t>(tokens_.size()) - 1};
    reading.fresh_state = false;
    return reading;
  }

  std::vector<std::unique_ptr<Job>> Fork() override {
    std::vector<std::unique_ptr<Job>> forks;
    for (size_t i = 1; i < lengths_.size(); ++i) {
      auto fork = std::make_unique<ForkedJob>(prompt_, lengths_, stream_, basics_);
      fork->prompt_read_ = true;
      fork->choice_ = i;
      fork->tokens_ = {likeliest_[i]};
      forks.push_back(std::move(fork));
    }
    return forks;
  }

  bool WantsLogits(int64_t position) const override { return position >= prompt_tokens() - 1; }
  void OnLogits(int64_t /*position*/, absl::Span<const float> logits) override {
    likeliest_.resize(logits.size());
    for (size_t id = 0; id < logits.size(); ++id) likeliest_[id] = static_cast<int32_t>(id);
    std::sort(likeliest_.begin(), likeliest_.end(), [&](int32_t a, int32_t b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    tokens_.push_back(likeliest_[0]);
  }
  bool has_first_token() const override { return !tokens_.empty(); }

 private:
  const RequestBasics basics_;
  const std::vector<int32_t> prompt_;
  const std::vector<int32_t> lengths_;
  const std::shared_ptr<RequestStream> stream_;
  size_t choice_ = 0;
  bool prompt_read_ = false;
  std::vector<int32_t> likeliest_;
  std::vector<int32_t> tokens_;
};

}  // namespace scanserve::runtime
