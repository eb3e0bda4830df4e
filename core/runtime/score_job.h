// Scores one document: negative log likelihoods of its tokens, by window and class.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/model/language_model.h"
#include "core/runtime/job.h"
#include "core/runtime/score_windows.h"

namespace scanserve::runtime {

class ScoreJob : public Job {
 public:
  // `model` must outlive it.
  ScoreJob(ScoreRequest request, const model::LanguageModel& model,
           std::shared_ptr<RequestStream> stream);

  const RequestBasics& basics() const override { return request_.basics; }
  int64_t prompt_tokens() const override { return static_cast<int64_t>(request_.tokens.size()); }
  std::optional<Reading> NextReading() override;
  void OnCachedTokens(int64_t tokens) override { score_.cached_tokens += tokens; }
  void Finish() override;
  bool WantsLogits(int64_t position) const override;
  void OnLogits(int64_t position, absl::Span<const float> logits) override;
  bool logits_in_any_order() const override { return true; }

 private:
  Reading BeginWindow();
  Reading RestOfWindow() const;
  // Adds the window's values to the sums in the order of positions, whatever the scan order was.
  void EndWindow();
  void AddTarget(const ScoredTokens::Target& target);

  const ScoreRequest request_;
  const model::LanguageModel& model_;
  const std::shared_ptr<RequestStream> stream_;
  std::optional<ScoreWindow> window_;
  bool rest_is_read_ = true;
  // Of the window's targets, from first_target on.
  std::vector<float> nlls_;
  // Likewise, when they are asked for.
  std::vector<int32_t> likeliest_;
  // Of the window's tokens but the first; empty when all are causal.
  std::vector<order::TargetClass> classes_;
  DocumentScore score_;
};

}  // namespace scanserve::runtime
