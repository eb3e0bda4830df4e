// A job that is queued and planned but never run.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/runtime/sequence.h"

namespace scanserve::runtime {

struct PlannedJobOptions {
  std::string caller = "";
  Priority priority = Priority::kNormal;
  int64_t tokens = 1;
  int32_t slots = 1;
  // Whether it needs the logits of all tokens.
  bool scored = false;
};

class PlannedJob : public Job {
 public:
  explicit PlannedJob(const PlannedJobOptions& options) : options_(options) {
    basics_.caller = options.caller;
    basics_.priority = options.priority;
  }

  const RequestBasics& basics() const override { return basics_; }
  int64_t prompt_tokens() const override { return options_.tokens; }
  int32_t slots() const override { return options_.slots; }
  std::optional<Reading> NextReading() override { return std::nullopt; }
  bool WantsLogits(int64_t /*position*/) const override { return options_.scored; }
  void OnLogits(int64_t /*position*/, absl::Span<const float> /*logits*/) override {}

 private:
  const PlannedJobOptions options_;
  RequestBasics basics_;
};

// With a reading of its tokens, and a stream that has room.
inline std::unique_ptr<Sequence> PlannedSequence(const PlannedJobOptions& options) {
  auto sequence = std::make_unique<Sequence>();
  sequence->job = std::make_unique<PlannedJob>(options);
  sequence->request = std::make_shared<ActiveRequest>();
  sequence->request->stream = std::make_shared<RequestStream>(1, [] {});
  sequence->request->holder = {options.caller, options.priority};
  for (int64_t i = 0; i < options.tokens; ++i) {
    sequence->reading.tokens.push_back(0);
    sequence->reading.positions.push_back(i);
  }
  return sequence;
}

}  // namespace scanserve::runtime
