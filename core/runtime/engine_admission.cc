// The way into the steps and out of them without an answer: admission, parking, dropping.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/runtime/engine_loop.h"

namespace scanserve::runtime {

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
    UpdateQueueStats();
  }
  const auto look_at = [&](Sequence& sequence) {
    // Not every step asks about every sequence, and one whose reader has read must not end here.
    sequence.request->HasRoom(now);
    is_dropped(sequence);
  };
  for (auto& sequence : running_) look_at(*sequence);
  parked_.ForEach(look_at);
  // After all were asked, so that the sequences of one request go together.
  for (auto& sequence : running_) {
    if (!sequence->request->status.ok()) dropped.push_back(std::move(sequence));
  }
  std::erase(running_, nullptr);
  auto unparked = parked_.Remove([](Sequence& parked) { return !parked.request->status.ok(); });
  std::move(unparked.begin(), unparked.end(), std::back_inserter(dropped));
  // Outside the lock: a reader's callback may call the engine.
  for (auto& sequence : dropped) End(std::move(sequence));
}

void EngineLoop::ParkStalled() {
  const absl::Time now = absl::Now();
  for (;;) {
    const auto stalled = std::find_if(running_.begin(), running_.end(), [&](const auto& sequence) {
      return now - sequence->request->paused_since >= options_.stall_park;
    });
    if (stalled == running_.end()) return;
    Park(*(*stalled)->request);
  }
}

void EngineLoop::Park(const ActiveRequest& request) {
  std::vector<std::unique_ptr<Sequence>> sequences;
  for (auto& sequence : running_) {
    if (sequence->request.get() == &request) sequences.push_back(std::move(sequence));
  }
  std::erase(running_, nullptr);
  ActiveRequest& parked = *sequences.front()->request;
  parked.parked = true;
  GiveBackForks(parked);
  for (size_t i = 0; i < sequences.size(); ++i) slots_.Vacate(parked.holder);
  for (auto& ending : parked_.Add(std::move(sequences))) {
    ending->request->status.Update(absl::ResourceExhaustedError(
        absl::StrCat("the client does not read, and parked requests would take more than ",
                     options_.park_bytes, " bytes")));
    End(std::move(ending));
  }
}

void EngineLoop::Admit() {
  while (const std::optional<int32_t> slots = parked_.ReadySlots()) {
    // Those that wait stand behind it.
    if (*slots > slots_.free()) return;
    Resume(parked_.TakeReady());
  }
  while (slots_.free() > 0) {
    std::unique_ptr<Sequence> sequence = TakeFromQueue();
    if (sequence == nullptr) return;
    Start(std::move(sequence));
  }
}

void EngineLoop::Resume(std::vector<std::unique_ptr<Sequence>> sequences) {
  ActiveRequest& request = *sequences.front()->request;
  request.parked = false;
  request.paused_since = absl::InfiniteFuture();
  for (auto& sequence : sequences) {
    slots_.Reoccupy(request.holder);
    if (!sequence->forked) ReserveForks(*sequence);
    running_.push_back(std::move(sequence));
  }
}

std::unique_ptr<Sequence> EngineLoop::TakeFromQueue() {
  base::MutexLock lock(mutex_);
  const auto fits = [&](const Job& job) {
    return extraction_memory_->bytes + job.collected_bytes() <= options_.max_extraction_bytes;
  };
  return queue_.Take(slots_, fits, absl::Now());
}

void EngineLoop::Start(std::unique_ptr<Sequence> sequence) {
  ActiveRequest& request = *sequence->request;
  sequence->state = slots_.Take(request.holder);
  ReserveForks(*sequence);
  extraction_memory_->bytes += sequence->job->collected_bytes();
  if (!BeginReading(*sequence)) return End(std::move(sequence));
  std::vector<std::unique_ptr<Sequence>> ended;
  GoOn(std::move(sequence), running_, ended);
  for (auto& done : ended) End(std::move(done));
}

void EngineLoop::ReserveForks(Sequence& sequence) {
  ActiveRequest& request = *sequence.request;
  for (int32_t i = 1; i < sequence.job->slots(); ++i) {
    request.fork_states.push_back(slots_.Take(request.holder));
  }
}

void EngineLoop::GiveBackForks(ActiveRequest& request) {
  for (auto& state : request.fork_states) slots_.GiveBack(request.holder, std::move(state));
  request.fork_states.clear();
}

}  // namespace scanserve::runtime
