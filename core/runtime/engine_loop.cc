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
    if (running_.empty()) {
      SCANSERVE_CHECK(static_cast<int32_t>(free_states_.size()) == states_made_);
    }
    waker_->Wait(NextDeadline());
  }
}

absl::Status EngineLoop::ReasonToEnd(const Sequence& sequence, absl::Time now) const {
  if (sequence.stream->cancelled()) return absl::CancelledError("the client is gone");
  if (now >= sequence.job->basics().deadline) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the deadline passed ", absl::FormatDuration(now - sequence.submitted), " after arrival"));
  }
  if (now - sequence.paused_since >= options_.stall_limit) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the client has not read for ", absl::FormatDuration(options_.stall_limit)));
  }
  return absl::OkStatus();
}

void EngineLoop::TakeDroppedFromQueue(absl::Time now, std::vector<Dropped>& dropped) {
  base::MutexLock lock(mutex_);
  std::deque<std::unique_ptr<Sequence>> kept;
  for (auto& sequence : queue_) {
    absl::Status status = ReasonToEnd(*sequence, now);
    if (status.ok()) status = cancel_all_;
    if (status.ok()) {
      kept.push_back(std::move(sequence));
      continue;
    }
    queued_tokens_ -= sequence->job->prompt_tokens();
    dropped.push_back({std::move(sequence), std::move(status)});
  }
  queue_ = std::move(kept);
  stats_.queued = static_cast<int64_t>(queue_.size());
}

void EngineLoop::EndDropped() {
  const absl::Time now = absl::Now();
  std::vector<Dropped> dropped;
  TakeDroppedFromQueue(now, dropped);
  absl::Status cancel_all;
  {
    base::MutexLock lock(mutex_);
    cancel_all = cancel_all_;
  }
  for (auto& sequence : running_) {
    // Not every step asks about every sequence, and one whose reader has read must not end here.
    MayRun(*sequence, now);
    absl::Status status = ReasonToEnd(*sequence, now);
    if (status.ok()) status = cancel_all;
    if (!status.ok()) dropped.push_back({std::move(sequence), std::move(status)});
  }
  std::erase(running_, nullptr);
  // Outside the lock: a reader's callback may call the engine.
  for (Dropped& drop : dropped) End(std::move(drop.sequence), std::move(drop.status));
}

std::unique_ptr<Sequence> EngineLoop::TakeFromQueue() {
  base::MutexLock lock(mutex_);
  const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const auto& sequence) {
    return extraction_memory_->bytes + sequence->job->collected_bytes() <=
           options_.max_extraction_bytes;
  });
  if (found == queue_.end()) return nullptr;
  std::unique_ptr<Sequence> sequence = std::move(*found);
  queue_.erase(found);
  queued_tokens_ -= sequence->job->prompt_tokens();
  return sequence;
}

void EngineLoop::Admit() {
  while (static_cast<int32_t>(running_.size()) < options_.state_slots) {
    std::unique_ptr<Sequence> sequence = TakeFromQueue();
    if (sequence == nullptr) return;
    if (free_states_.empty()) {
      free_states_.push_back(std::make_unique<model::SequenceState>(model_->config));
      ++states_made_;
    }
    sequence->state = std::move(free_states_.back());
    free_states_.pop_back();
    extraction_memory_->bytes += sequence->job->collected_bytes();
    sequence->stream->Push(Started{absl::Now() - sequence->submitted, /*cached_tokens=*/0});
    std::optional<Reading> reading = sequence->job->NextReading();
    if (!reading.has_value()) {
      End(std::move(sequence), absl::OkStatus());
      continue;
    }
    sequence->reading = *std::move(reading);
    running_.push_back(std::move(sequence));
  }
}

bool EngineLoop::MayRun(Sequence& sequence, absl::Time now) const {
  if (sequence.stream->HasRoom()) {
    sequence.paused_since = absl::InfiniteFuture();
    return true;
  }
  sequence.paused_since = std::min(sequence.paused_since, now);
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
  std::vector<std::unique_ptr<Sequence>> finished;
  for (auto& sequence : running_) {
    if (sequence->job->has_first_token()) {
      sequence->first_token = std::min(sequence->first_token, now);
    }
    const bool outputs_left = sequence->reading.layer_by_layer() && sequence->residual.size() > 0;
    if (sequence->tokens_left() > 0 || outputs_left) continue;
    std::optional<Reading> reading = sequence->job->NextReading();
    if (!reading.has_value()) {
      finished.push_back(std::move(sequence));
      continue;
    }
    sequence->reading = *std::move(reading);
    sequence->tokens_read = 0;
  }
  std::erase(running_, nullptr);
  for (auto& sequence : finished) End(std::move(sequence), absl::OkStatus());
}

void EngineLoop::End(std::unique_ptr<Sequence> sequence, absl::Status status) {
  Ended ended;
  ended.status = std::move(status);
  ended.total_time = absl::Now() - sequence->submitted;
  ended.time_to_first_token = sequence->first_token == absl::InfiniteFuture()
                                  ? absl::ZeroDuration()
                                  : sequence->first_token - sequence->submitted;
  if (sequence->state != nullptr) {
    if (options_.poison_freed_state) sequence->state->Poison();
    free_states_.push_back(std::move(sequence->state));
  }
  const std::shared_ptr<RequestStream> stream = sequence->stream;
  // Before Ended: who has seen the end finds order, adapter and slot given back.
  sequence.reset();
  UpdateStats();
  stream->Push(std::move(ended));
}

absl::Time EngineLoop::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  const auto consider = [&](const Sequence& sequence) {
    next = std::min(
        {next, sequence.job->basics().deadline, sequence.paused_since + options_.stall_limit});
  };
  for (const auto& sequence : running_) consider(*sequence);
  base::MutexLock lock(mutex_);
  for (const auto& sequence : queue_) consider(*sequence);
  return next;
}

void EngineLoop::UpdateStats() {
  base::MutexLock lock(mutex_);
  stats_.slots_total = options_.state_slots;
  stats_.slots_used = states_made_ - static_cast<int32_t>(free_states_.size());
  stats_.running = static_cast<int64_t>(running_.size());
  stats_.queued = static_cast<int64_t>(queue_.size());
  stats_.steps = steps_;
}

}  // namespace scanserve::runtime
