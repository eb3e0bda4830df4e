#include "core/runtime/engine_loop.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {

void EngineLoop::Main() {
  for (;;) {
    EndDropped();
    ParkStalled();
    Admit();
    UpdateStats();
    if (Step()) continue;
    {
      base::MutexLock lock(mutex_);
      if (stop_ && queue_.empty() && running_.empty() && parked_.empty()) return;
    }
    // Idle: every slot has come back.
    if (running_.empty()) SCANSERVE_CHECK(slots_.used() == 0);
    waker_->Wait(NextDeadline());
  }
}

bool EngineLoop::Step() {
  const StepPlan plan = planner_.Plan(running_, absl::Now());
  if (plan.empty()) return false;
  ++steps_;
  if (options_.before_step) options_.before_step(steps_);
  const auto begin = std::chrono::steady_clock::now();
  if (!plan.together.empty()) runner_.RunTogether(plan.together);
  for (const Chunk& chunk : plan.together) prefixes_.AfterChunk(*chunk.sequence);
  if (plan.layer_by_layer != nullptr) {
    runner_.RunLayerByLayer(*plan.layer_by_layer, plan.layer_by_layer_tokens);
    prefixes_.AfterChunk(*plan.layer_by_layer);
  }
  if (options_.observer != nullptr) {
    options_.observer->OnStep(plan.rows.decoding + plan.rows.reading);
  }
  AfterStep();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  planner_.Observe(plan.rows, took.count());
  step_time_ += absl::Seconds(took.count());
  last_step_ = absl::Now();
  return true;
}

void EngineLoop::AfterStep() {
  std::vector<std::unique_ptr<Sequence>> running;
  std::vector<std::unique_ptr<Sequence>> ended;
  for (auto& sequence : running_) GoOn(std::move(sequence), running, ended);
  running_ = std::move(running);
  for (auto& sequence : ended) End(std::move(sequence));
}

void EngineLoop::GoOn(std::unique_ptr<Sequence> sequence,
                      std::vector<std::unique_ptr<Sequence>>& running,
                      std::vector<std::unique_ptr<Sequence>>& ended) {
  // More than once where the cache knows all of the next reading.
  while (sequence->reading_is_done()) {
    if (sequence->job->has_first_token()) NoteToken(*sequence);
    sequence->job->OnRead(*sequence->state);
    std::vector<std::unique_ptr<Sequence>> forks = Fork(*sequence);
    const bool goes_on = BeginReading(*sequence);
    for (auto& fork : forks) GoOn(std::move(fork), running, ended);
    if (!goes_on) {
      ended.push_back(std::move(sequence));
      return;
    }
  }
  running.push_back(std::move(sequence));
}

void EngineLoop::NoteToken(Sequence& sequence) {
  const absl::Time now = absl::Now();
  ActiveRequest& request = *sequence.request;
  const bool first = request.first_token == absl::InfiniteFuture();
  if (first) request.first_token = now;
  const std::optional<absl::Time> previous = std::exchange(sequence.last_token, now);
  RequestObserver* const observer = sequence.job->basics().observer;
  if (observer == nullptr) return;
  if (first) observer->OnFirstToken(now - request.submitted);
  observer->OnToken(previous ? std::optional(now - *previous) : std::nullopt);
}

bool EngineLoop::BeginReading(Sequence& sequence) {
  std::optional<Reading> reading = sequence.job->NextReading();
  if (reading.has_value()) {
    sequence.reading = *std::move(reading);
    sequence.tokens_read = 0;
    prefixes_.Begin(sequence);
  }
  ActiveRequest& request = *sequence.request;
  if (!std::exchange(request.started, true)) {
    const absl::Duration queue_time = absl::Now() - request.submitted;
    if (RequestObserver* const observer = sequence.job->basics().observer) {
      observer->OnStarted(queue_time, sequence.job->prompt_tokens());
    }
    request.stream->Push(Started{queue_time, sequence.prefix.hit_tokens});
    sequence.job->OnStarted();
  }
  if (reading.has_value()) prefixes_.DeliverRow(sequence);
  return reading.has_value();
}

std::vector<std::unique_ptr<Sequence>> EngineLoop::Fork(Sequence& sequence) {
  std::vector<std::unique_ptr<Sequence>> forks;
  if (std::exchange(sequence.forked, true)) return forks;
  ActiveRequest& request = *sequence.request;
  for (std::unique_ptr<Job>& job : sequence.job->Fork()) {
    SCANSERVE_CHECK(!request.fork_states.empty());
    auto fork = std::make_unique<Sequence>();
    fork->job = std::move(job);
    fork->request = sequence.request;
    fork->forked = true;
    fork->state = std::move(request.fork_states.back());
    request.fork_states.pop_back();
    fork->state->CopyFrom(*sequence.state);
    fork->prefix = sequence.prefix;
    ++request.sequences;
    forks.push_back(std::move(fork));
  }
  GiveBackForks(request);
  return forks;
}

void EngineLoop::End(std::unique_ptr<Sequence> sequence) {
  const std::shared_ptr<ActiveRequest> request = sequence->request;
  if (request->status.ok()) {
    prefixes_.AfterAnswer(*sequence);
    sequence->job->Finish();
  }
  if (sequence->state != nullptr && !request->parked) {
    slots_.GiveBack(request->holder, std::move(sequence->state));
  }
  sequence.reset();
  if (--request->sequences > 0) return UpdateStats();
  GiveBackForks(*request);
  // Before Ended: who has seen the end finds order, adapter and slots given back.
  UpdateStats();
  Ended ended;
  ended.status = request->status;
  ended.total_time = absl::Now() - request->submitted;
  ended.time_to_first_token = request->first_token == absl::InfiniteFuture()
                                  ? absl::ZeroDuration()
                                  : request->first_token - request->submitted;
  request->stream->Push(std::move(ended));
}

absl::Time EngineLoop::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  const auto consider = [&](const Sequence& sequence, absl::Duration patience) {
    next = std::min(
        {next, sequence.job->basics().deadline, sequence.request->paused_since + patience});
  };
  const absl::Duration running_patience = std::min(options_.stall_park, options_.stall_limit);
  for (const auto& sequence : running_) consider(*sequence, running_patience);
  parked_.ForEach([&](Sequence& sequence) { consider(sequence, options_.stall_limit); });
  base::MutexLock lock(mutex_);
  return std::min(next, queue_.NextDeadline());
}

void EngineLoop::UpdateStats() {
  base::MutexLock lock(mutex_);
  stats_.slots_total = slots_.total();
  stats_.slots_used = slots_.used();
  stats_.running = static_cast<int64_t>(running_.size());
  stats_.parked = parked_.requests();
  stats_.parked_bytes = parked_.bytes();
  stats_.steps = steps_;
  stats_.step_time = step_time_;
  stats_.last_step = last_step_;
  stats_.prefix_cache = prefixes_.stats();
  UpdateQueueStats();
}

void EngineLoop::UpdateQueueStats() {
  stats_.queued = queue_.requests();
  stats_.queued_low = queue_.requests_of(Priority::kLow);
  stats_.queued_tokens = queue_.tokens();
  if (stats_.queued == 0) {
    stats_.waiting_since = absl::InfiniteFuture();
  } else if (stats_.waiting_since == absl::InfiniteFuture()) {
    stats_.waiting_since = absl::Now();
  }
}

}  // namespace scanserve::runtime
