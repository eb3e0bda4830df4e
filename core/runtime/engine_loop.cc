#include "core/runtime/engine_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"

namespace scanserve::runtime {

void EngineLoop::Main() {
  for (;;) {
    EndDropped();
    Admit();
    UpdateStats();
    if (Step()) continue;
    {
      base::MutexLock lock(mutex_);
      if (stop_ && queue_.empty() && running_.empty()) return;
    }
    // Idle: every slot has come back.
    if (running_.empty()) SCANSERVE_CHECK(slots_.used() == 0);
    waker_->Wait(NextDeadline());
  }
}

absl::Status EngineLoop::ReasonToEnd(const Sequence& sequence, absl::Time now) const {
  const ActiveRequest& request = *sequence.request;
  if (request.stream->cancelled()) return absl::CancelledError("the client is gone");
  if (now >= sequence.job->basics().deadline) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the deadline passed ", absl::FormatDuration(now - request.submitted), " after arrival"));
  }
  if (now - request.paused_since >= options_.stall_limit) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the client has not read for ", absl::FormatDuration(options_.stall_limit)));
  }
  return absl::OkStatus();
}

void EngineLoop::EndDropped() {
  const absl::Time now = absl::Now();
  absl::Status cancel_all;
  const auto is_dropped = [&](Sequence& sequence) {
    absl::Status& status = sequence.request->status;
    status.Update(ReasonToEnd(sequence, now));
    status.Update(cancel_all);
    return !status.ok();
  };
  std::vector<std::unique_ptr<Sequence>> dropped;
  {
    base::MutexLock lock(mutex_);
    cancel_all = cancel_all_;
    dropped = queue_.Remove(is_dropped);
    stats_.queued = queue_.requests();
  }
  for (auto& sequence : running_) {
    // Not every step asks about every sequence, and one whose reader has read must not end here.
    MayRun(*sequence, now);
    is_dropped(*sequence);
  }
  // After all were asked, so that the sequences of one request go together.
  for (auto& sequence : running_) {
    if (!sequence->request->status.ok()) dropped.push_back(std::move(sequence));
  }
  std::erase(running_, nullptr);
  // Outside the lock: a reader's callback may call the engine.
  for (auto& sequence : dropped) End(std::move(sequence));
}

std::unique_ptr<Sequence> EngineLoop::TakeFromQueue() {
  base::MutexLock lock(mutex_);
  return queue_.Take(slots_.free(), [&](const Job& job) {
    return extraction_memory_->bytes + job.collected_bytes() <= options_.max_extraction_bytes;
  });
}

void EngineLoop::Admit() {
  while (slots_.free() > 0) {
    std::unique_ptr<Sequence> sequence = TakeFromQueue();
    if (sequence == nullptr) return;
    Start(std::move(sequence));
  }
}

void EngineLoop::Start(std::unique_ptr<Sequence> sequence) {
  ActiveRequest& request = *sequence->request;
  sequence->state = slots_.Take();
  for (int32_t i = 1; i < sequence->job->slots(); ++i) {
    request.fork_states.push_back(slots_.Take());
  }
  extraction_memory_->bytes += sequence->job->collected_bytes();
  request.stream->Push(Started{absl::Now() - request.submitted, /*cached_tokens=*/0});
  if (!BeginReading(*sequence)) return End(std::move(sequence));
  running_.push_back(std::move(sequence));
}

bool EngineLoop::MayRun(Sequence& sequence, absl::Time now) const {
  ActiveRequest& request = *sequence.request;
  if (request.stream->HasRoom()) {
    request.paused_since = absl::InfiniteFuture();
    return true;
  }
  request.paused_since = std::min(request.paused_since, now);
  return false;
}

std::vector<Chunk> EngineLoop::PlanDecoding(int64_t& budget) {
  const absl::Time now = absl::Now();
  std::vector<Chunk> chunks;
  for (const auto& sequence : running_) {
    const bool decoding = sequence->reading.size() == 1 && !sequence->reading.layer_by_layer();
    if (!decoding || budget == 0 || !MayRun(*sequence, now)) continue;
    chunks.push_back({sequence.get(), 1});
    --budget;
  }
  return chunks;
}

std::vector<Chunk> EngineLoop::PlanPrompts(int64_t& budget) {
  const absl::Time now = absl::Now();
  std::vector<Sequence*> waiting;
  for (const auto& sequence : running_) {
    const Reading& reading = sequence->reading;
    if (reading.size() == 1 || reading.layer_by_layer() || !MayRun(*sequence, now)) continue;
    waiting.push_back(sequence.get());
  }
  const int64_t share = waiting.size() > 1 ? options_.prompt_chunk_tokens : budget;
  std::vector<Chunk> chunks;
  for (Sequence* sequence : waiting) {
    const int64_t tokens = std::min({sequence->tokens_left(), share, budget});
    if (tokens == 0) break;
    chunks.push_back({sequence, tokens});
    budget -= tokens;
  }
  // Who was served stands behind who was not, at the next step.
  std::stable_partition(running_.begin(), running_.end(), [&](const auto& sequence) {
    return std::none_of(chunks.begin(), chunks.end(),
                        [&](const Chunk& chunk) { return chunk.sequence == sequence.get(); });
  });
  return chunks;
}

Sequence* EngineLoop::LayerByLayerSequence() {
  const absl::Time now = absl::Now();
  Sequence* next = nullptr;
  for (const auto& sequence : running_) {
    if (!sequence->reading.layer_by_layer()) continue;
    // The one that has begun holds a residual of its whole prompt: it is finished first, so that
    // there is never more than one.
    if (sequence->residual.size() > 0) return MayRun(*sequence, now) ? sequence.get() : nullptr;
    if (next == nullptr && MayRun(*sequence, now)) next = sequence.get();
  }
  return next;
}

bool EngineLoop::Step() {
  int64_t budget = options_.step_tokens;
  Sequence* layer_by_layer = LayerByLayerSequence();
  std::vector<Chunk> together = PlanDecoding(budget);
  int64_t prompt_budget = layer_by_layer != nullptr ? budget / 2 : budget;
  const int64_t set_aside = budget - prompt_budget;
  const std::vector<Chunk> prompts = PlanPrompts(prompt_budget);
  together.insert(together.end(), prompts.begin(), prompts.end());
  if (together.empty() && layer_by_layer == nullptr) return false;

  ++steps_;
  if (options_.before_step) options_.before_step(steps_);
  if (!together.empty()) runner_.RunTogether(std::move(together));
  if (layer_by_layer != nullptr) {
    runner_.RunLayerByLayer(*layer_by_layer, std::max<int64_t>(1, set_aside + prompt_budget));
  }
  AfterStep();
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
  for (auto& state : request.fork_states) slots_.GiveBack(std::move(state));
  request.fork_states.clear();
  return forks;
}

void EngineLoop::End(std::unique_ptr<Sequence> sequence) {
  const std::shared_ptr<ActiveRequest> request = sequence->request;
  if (sequence->state != nullptr) slots_.GiveBack(std::move(sequence->state));
  sequence.reset();
  if (--request->sequences > 0) return UpdateStats();
  for (auto& state : request->fork_states) slots_.GiveBack(std::move(state));
  request->fork_states.clear();
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
  for (const auto& sequence : running_) {
    next = std::min({next, sequence->job->basics().deadline,
                     sequence->request->paused_since + options_.stall_limit});
  }
  base::MutexLock lock(mutex_);
  return std::min(next, queue_.NextDeadline());
}

void EngineLoop::UpdateStats() {
  base::MutexLock lock(mutex_);
  stats_.slots_total = slots_.total();
  stats_.slots_used = slots_.used();
  stats_.running = static_cast<int64_t>(running_.size());
  stats_.queued = queue_.requests();
  stats_.steps = steps_;
}

}  // namespace scanserve::runtime
