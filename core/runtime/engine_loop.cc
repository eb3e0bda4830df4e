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
  if (plan.layer_by_layer != nullptr) {
    runner_.RunLayerByLayer(*plan.layer_by_layer, plan.layer_by_layer_tokens);
  }
  AfterStep();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  planner_.Observe(plan.rows, took.count());
  return true;
}

void EngineLoop::AfterStep() {
  const absl::Time now = absl::Now();
  std::vector<std::unique_ptr<Sequence>> running;
  std::vector<std::unique_ptr<Sequence>> ended;
  const auto go_on = [&](std::unique_ptr<Sequence> sequence) {
    (BeginReading(*sequence) ? running : ended).push_back(std::move(sequence));
  };
  for (auto& sequence : running_) {
    if (sequence->job->has_first_token()) {
      sequence->request->first_token = std::min(sequence->request->first_token, now);
    }
    if (!sequence->reading_is_done()) {
      running.push_back(std::move(sequence));
      continue;
    }
    std::vector<std::unique_ptr<Sequence>> forks = Fork(*sequence);
    go_on(std::move(sequence));
    for (auto& fork : forks) go_on(std::move(fork));
  }
  running_ = std::move(running);
  for (auto& sequence : ended) End(std::move(sequence));
}

bool EngineLoop::BeginReading(Sequence& sequence) {
  std::optional<Reading> reading = sequence.job->NextReading();
  if (!reading.has_value()) return false;
  sequence.reading = *std::move(reading);
  sequence.tokens_read = 0;
  return true;
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
    ++request.sequences;
    forks.push_back(std::move(fork));
  }
  GiveBackForks(request);
  return forks;
}

void EngineLoop::End(std::unique_ptr<Sequence> sequence) {
  const std::shared_ptr<ActiveRequest> request = sequence->request;
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
  UpdateQueueStats();
}

void EngineLoop::UpdateQueueStats() {
  stats_.queued = queue_.requests();
  stats_.queued_low = queue_.requests_of(Priority::kLow);
  stats_.queued_tokens = queue_.tokens();
}

}  // namespace scanserve::runtime
