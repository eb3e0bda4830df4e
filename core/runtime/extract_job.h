// Collects hidden states of a prompt.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/model/language_model.h"
#include "core/runtime/job.h"

namespace scanserve::runtime {

class ExtractJob : public Job {
 public:
  // `model` must outlive it.
  ExtractJob(ExtractRequest request, const model::LanguageModel& model,
             std::shared_ptr<RequestStream> stream);
  // Names what is called, on any thread, when the collected states are freed. Once, before the
  // first reading.
  void OnRelease(std::function<void()> released) { released_ = std::move(released); }

  const RequestBasics& basics() const override { return request_.basics; }
  int64_t prompt_tokens() const override { return static_cast<int64_t>(request_.tokens.size()); }
  int64_t collected_bytes() const override;
  std::optional<Reading> NextReading() override;
  bool WantsLogits(int64_t /*position*/) const override { return false; }
  void OnLogits(int64_t /*position*/, absl::Span<const float> /*logits*/) override {}
  std::optional<HiddenStateKind> hidden_kind() const override { return request_.kind; }
  bool WantsHidden(int64_t layer, int64_t position) const override;
  void OnHidden(int64_t layer, int64_t position, absl::Span<const float> row) override;

 private:
  int64_t rows() const { return request_.end_position - request_.begin_position; }

  const ExtractRequest request_;
  const model::LanguageModel& model_;
  const std::shared_ptr<RequestStream> stream_;
  std::function<void()> released_;
  // Place of each wanted layer in the answer, -1 for the others.
  std::vector<int64_t> place_of_layer_;
  int64_t matrices_ = 0;
  bool prompt_read_ = false;
  std::shared_ptr<std::vector<float>> data_;
};

}  // namespace scanserve::runtime
