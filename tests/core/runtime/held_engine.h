// An engine whose steps a test holds and lets go one by one, and what its answers amount to.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/mutex.h"
#include "core/runtime/engine.h"

namespace scanserve::runtime {

// Stands before each step of an engine.
class StepGate {
 public:
  // For EngineOptions::before_step.
  void Pass(int64_t step) {
    base::MutexLock lock(mutex_);
    arrived_ = step;
    changed_.NotifyAll();
    while (!open_ && step > allowed_) changed_.Wait(mutex_);
  }
  // Until the engine stands before `step`.
  void AwaitArrival(int64_t step) {
    base::MutexLock lock(mutex_);
    while (arrived_ < step) changed_.Wait(mutex_);
  }
  // The same, but not past `deadline`.
  void AwaitArrivalUntil(int64_t step, absl::Time deadline) {
    base::MutexLock lock(mutex_);
    while (arrived_ < step && changed_.WaitUntil(mutex_, deadline)) {
    }
  }
  // Steps up to this one may run.
  void AllowUpTo(int64_t step) {
    base::MutexLock lock(mutex_);
    allowed_ = step;
    changed_.NotifyAll();
  }
  void Open() {
    base::MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int64_t arrived_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t allowed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

class HeldEngine {
 public:
  HeldEngine(EngineOptions options, std::shared_ptr<const model::LanguageModel> model) {
    options.poison_freed_state = true;
    options.before_step = [this](int64_t step) { gate_.Pass(step); };
    engine_ = Engine::Create(options, std::move(model));
  }
  ~HeldEngine() { gate_.Open(); }
  HeldEngine(const HeldEngine&) = delete;
  HeldEngine& operator=(const HeldEngine&) = delete;

  StepGate& gate() { return gate_; }
  Engine& engine() { return *engine_; }

 private:
  StepGate gate_;
  std::unique_ptr<Engine> engine_;
};

using AnyRequest = std::variant<GenerateRequest, ScoreRequest, ExtractRequest>;

inline absl::StatusOr<std::shared_ptr<RequestStream>> TrySubmit(Engine& engine,
                                                                AnyRequest request) {
  if (auto* generate = std::get_if<GenerateRequest>(&request)) {
    return engine.Generate(std::move(*generate));
  }
  if (auto* score = std::get_if<ScoreRequest>(&request)) return engine.Score(std::move(*score));
  return engine.Extract(std::get<ExtractRequest>(std::move(request)));
}

inline std::shared_ptr<RequestStream> Submit(Engine& engine, AnyRequest request) {
  auto stream = TrySubmit(engine, std::move(request));
  EXPECT_TRUE(stream.ok()) << stream.status();
  return stream.ok() ? *stream : nullptr;
}

// All events of one request.
struct Answer {
  bool started = false;
  int64_t cached_tokens = 0;
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<TokenLogprob> logprobs;
  std::optional<Finished> finished;
  std::vector<ScoredTokens::Target> targets;
  std::optional<DocumentScore> score;
  std::shared_ptr<const std::vector<float>> hidden;
  std::shared_ptr<const Session> session;
  Ended ended;
};

inline void AddEvent(Event event, Answer& answer) {
  if (auto* started = std::get_if<Started>(&event)) {
    answer.started = true;
    answer.cached_tokens = started->cached_tokens;
  }
  if (auto* delta = std::get_if<Delta>(&event)) {
    answer.text += delta->text;
    answer.tokens.insert(answer.tokens.end(), delta->tokens.begin(), delta->tokens.end());
    answer.logprobs.insert(answer.logprobs.end(), delta->logprobs.begin(), delta->logprobs.end());
  }
  if (auto* finished = std::get_if<Finished>(&event)) answer.finished = *finished;
  if (auto* scored = std::get_if<ScoredTokens>(&event)) {
    answer.targets.insert(answer.targets.end(), scored->targets.begin(), scored->targets.end());
  }
  if (auto* score = std::get_if<DocumentScore>(&event)) answer.score = *score;
  if (auto* hidden = std::get_if<HiddenStates>(&event)) answer.hidden = hidden->data;
  if (auto* made = std::get_if<SessionMade>(&event)) answer.session = made->session;
  if (auto* ended = std::get_if<Ended>(&event)) answer.ended = *ended;
}

inline Answer Collect(RequestStream& stream) {
  Answer answer;
  for (bool ended = false; !ended;) {
    Event event = stream.Wait();
    ended = std::holds_alternative<Ended>(event);
    AddEvent(std::move(event), answer);
  }
  EXPECT_FALSE(stream.Next().has_value()) << "Ended is the last event";
  return answer;
}

// Everything in an answer but its times, to the bit.
inline std::string Bits(const Answer& answer) {
  std::string bits = answer.text;
  const auto add = [&](const auto& value) {
    bits.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (const int32_t token : answer.tokens) add(token);
  for (const TokenLogprob& logprob : answer.logprobs) {
    add(logprob.token);
    add(logprob.logprob);
    for (const auto& [token, value] : logprob.top) {
      add(token);
      add(value);
    }
  }
  if (answer.finished.has_value()) {
    add(answer.finished->reason);
    bits += answer.finished->stop_string;
    add(answer.finished->generated_tokens);
  }
  for (const auto& target : answer.targets) {
    add(target.position);
    add(target.nll);
    add(target.target_class);
  }
  if (answer.score.has_value()) {
    for (const Score& score : {answer.score->all, answer.score->leaked, answer.score->lookahead,
                               answer.score->causal, answer.score->first_target}) {
      add(score.nll);
      add(score.tokens);
    }
    add(answer.score->scored_bytes);
  }
  if (answer.hidden != nullptr) {
    for (const float value : *answer.hidden) add(value);
  }
  return bits;
}

}  // namespace scanserve::runtime
