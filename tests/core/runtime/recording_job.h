// A job that reads one prompt and keeps all that the network gives for it.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "core/runtime/batch_runner.h"
#include "core/runtime/job.h"

namespace scanserve::runtime {

class RecordingJob : public Job {
 public:
  RecordingJob(RequestBasics basics, std::optional<HiddenStateKind> kind)
      : basics_(std::move(basics)), kind_(kind) {}

  const RequestBasics& basics() const override { return basics_; }
  int64_t prompt_tokens() const override { return 0; }
  std::optional<Reading> NextReading() override { return std::nullopt; }
  bool WantsLogits(int64_t /*position*/) const override { return !kind_.has_value(); }
  void OnLogits(int64_t position, absl::Span<const float> logits) override {
    rows[{0, position}].assign(logits.begin(), logits.end());
  }
  std::optional<HiddenStateKind> hidden_kind() const override { return kind_; }
  bool WantsHidden(int64_t /*layer*/, int64_t /*position*/) const override { return true; }
  void OnHidden(int64_t layer, int64_t position, absl::Span<const float> row) override {
    rows[{layer, position}].assign(row.begin(), row.end());
  }

  // By layer (0 for logits) and natural position.
  std::map<std::pair<int64_t, int64_t>, std::vector<float>> rows;

 private:
  const RequestBasics basics_;
  const std::optional<HiddenStateKind> kind_;
};

// A sequence that reads `tokens`, ready for a BatchRunner.
inline std::unique_ptr<Sequence> RecordingSequence(
    const model::LanguageModel& model, const std::vector<int32_t>& tokens, RequestBasics basics,
    std::optional<HiddenStateKind> kind = std::nullopt) {
  auto sequence = std::make_unique<Sequence>();
  sequence->reading = PromptReading(basics.scan, model.config.num_layers, tokens, 0,
                                    static_cast<int64_t>(tokens.size()));
  sequence->job = std::make_unique<RecordingJob>(std::move(basics), kind);
  sequence->state = std::make_unique<model::SequenceState>(model.config);
  return sequence;
}

inline std::vector<float> RecordedRow(const Sequence& sequence, int64_t position,
                                      int64_t layer = 0) {
  return static_cast<const RecordingJob&>(*sequence.job).rows.at({layer, position});
}

// Reads all of it, `chunk` tokens a step.
inline void ReadAll(BatchRunner& runner, Sequence& sequence, int64_t chunk) {
  if (sequence.reading.layer_by_layer()) {
    do {
      runner.RunLayerByLayer(sequence, chunk);
    } while (sequence.residual.size() > 0);
    return;
  }
  while (sequence.tokens_left() > 0) {
    runner.RunTogether({{&sequence, std::min(chunk, sequence.tokens_left())}});
  }
}

}  // namespace scanserve::runtime
