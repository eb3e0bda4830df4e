#include "server/shadow_queue.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/document_pair.h"
#include "server/log.h"

namespace scanserve::server {
namespace {

using experiment::ShadowDrop;
using Targets = std::vector<runtime::ScoredTokens::Target>;

// Of prompts, and of answers.
constexpr size_t kWaitingTasks = 256;
constexpr int64_t kWaitingTokens = 1'000'000;
// Between looks at an engine that is busy.
constexpr absl::Duration kBusyWait = absl::Milliseconds(5);

bool IsIdle(const runtime::EngineStats& stats) {
  return stats.running == 0 && stats.queued == 0 && stats.parked == 0;
}

int64_t MaxTokens(const RequestLimits& limits, const PinnedArm& arm) {
  return arm.scan->permutes_some_layers() ? limits.subset_prompt_tokens : limits.prompt_tokens;
}

// Everything up to Ended.
absl::StatusOr<Targets> Collect(runtime::RequestStream& stream) {
  Targets targets;
  for (;;) {
    runtime::Event event = stream.Wait();
    if (auto* scored = std::get_if<runtime::ScoredTokens>(&event)) {
      targets.insert(targets.end(), scored->targets.begin(), scored->targets.end());
    } else if (const auto* ended = std::get_if<runtime::Ended>(&event)) {
      SCANSERVE_RETURN_IF_ERROR(ended->status);
      return targets;
    }
  }
}

int64_t OtherChoices(const Targets& one, const Targets& two) {
  int64_t count = 0;
  for (size_t i = 0; i < std::min(one.size(), two.size()); ++i) {
    count += one[i].likeliest != two[i].likeliest;
  }
  return count;
}

}  // namespace

int64_t ShadowQueue::Task::tokens() const {
  const size_t tokens = request->prompt.size() + (answer == nullptr ? 0 : answer->size());
  return static_cast<int64_t>(tokens);
}

ShadowQueue::ShadowQueue(runtime::Engine& engine, const RequestLimits& limits)
    : engine_(engine), limits_(limits), thread_([this] { Run(); }) {}

ShadowQueue::~ShadowQueue() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->Cancel();
    changed_.NotifyAll();
  }
  thread_.join();
  for (const Lane* lane : {&prompts_, &answers_}) {
    for (const Task& task : lane->tasks) Drop(task, ShadowDrop::kFailed);
  }
}

std::shared_ptr<const ShadowedRequest> ShadowQueue::Offer(
    const std::shared_ptr<const ArmTicket>& ticket, const std::string& request_id,
    const std::vector<int32_t>& prompt) {
  std::vector<size_t> arms = ticket->experiment->Sample(request_id);
  if (arms.empty()) return nullptr;
  auto request = std::make_shared<const ShadowedRequest>(
      ShadowedRequest{ticket, request_id, prompt, std::move(arms)});
  for (const size_t arm : request->arms) Enqueue({request, arm, nullptr});
  return request;
}

void ShadowQueue::OfferAnswer(const std::shared_ptr<const ShadowedRequest>& request,
                              std::vector<int32_t> answer) {
  const auto shared = std::make_shared<const std::vector<int32_t>>(std::move(answer));
  for (const size_t arm : request->arms) {
    Task task = {request, arm, shared};
    if (task.writer() != 0 && task.writer() != arm) continue;
    task.experiment().CountAnswer(arm, task.writer());
    Enqueue(std::move(task));
  }
}

ShadowQueue::Lane& ShadowQueue::LaneOf(const Task& task) {
  return task.answer == nullptr ? prompts_ : answers_;
}

void ShadowQueue::Enqueue(Task task) {
  if (!IsScorable(task)) return Drop(task, ShadowDrop::kUnscorable);
  const int64_t tokens = task.tokens();
  base::MutexLock lock(mutex_);
  Lane& lane = LaneOf(task);
  if (lane.tasks.size() < kWaitingTasks && lane.tokens + tokens <= kWaitingTokens) {
    lane.tokens += tokens;
    lane.tasks.push_back(std::move(task));
    changed_.NotifyAll();
  } else {
    Drop(task, ShadowDrop::kQueueFull);
  }
}

void ShadowQueue::Drop(const Task& task, ShadowDrop drop) {
  if (task.answer == nullptr) {
    task.experiment().CountDropped(task.arm, drop);
  } else {
    task.experiment().CountAnswerDropped(task.arm, task.writer(), drop);
  }
}

void ShadowQueue::MakeWay() {
  base::MutexLock lock(mutex_);
  disturbed_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

bool ShadowQueue::IsScorable(const Task& task) const {
  const std::vector<PinnedArm>& arms = task.experiment().arms();
  const int64_t most =
      std::min(MaxTokens(limits_, arms.front()), MaxTokens(limits_, arms[task.arm]));
  return task.tokens() >= 2 && task.tokens() <= most;
}

void ShadowQueue::Run() {
  while (const std::optional<Task> task = Await()) {
    // Of an experiment that has ended nothing is counted any more.
    if (!task->experiment().stop()) {
      const absl::Status scored = ScorePair(*task);
      if (absl::IsCancelled(scored)) continue;
      if (!scored.ok()) {
        LogWarning("shadow failed", {{"id", task->request->id},
                                     {"experiment", task->request->ticket->experiment_id()},
                                     LogField::Whole("message", scored.message())});
        Drop(*task, ShadowDrop::kFailed);
      }
    }
    PopFront(*task);
  }
}

std::optional<ShadowQueue::Task> ShadowQueue::Await() {
  base::MutexLock lock(mutex_);
  for (;;) {
    while (!stopping_ && prompts_.tasks.empty() && answers_.tasks.empty()) changed_.Wait(mutex_);
    if (stopping_) return std::nullopt;
    disturbed_ = false;
    if (IsIdle(engine_.stats())) return Next();
    changed_.WaitUntil(mutex_, absl::Now() + kBusyWait);
  }
}

const ShadowQueue::Task& ShadowQueue::Next() const {
  if (prompts_.tasks.empty()) return answers_.tasks.front();
  const bool crowded =
      prompts_.tasks.size() > kWaitingTasks / 2 || prompts_.tokens > kWaitingTokens / 2;
  const bool prompt_is_next = answers_.tasks.empty() || crowded || answer_was_last_;
  return prompt_is_next ? prompts_.tasks.front() : answers_.tasks.front();
}

void ShadowQueue::PopFront(const Task& task) {
  base::MutexLock lock(mutex_);
  Lane& lane = LaneOf(task);
  answer_was_last_ = task.answer != nullptr;
  lane.tokens -= task.tokens();
  lane.tasks.pop_front();
}

absl::Status ShadowQueue::ScorePair(const Task& task) {
  // An answer's first arm is the one that wrote it.
  const size_t first = task.answer == nullptr ? 0 : task.writer();
  const size_t second = first == 0 ? task.arm : 0;
  SCANSERVE_ASSIGN_OR_RETURN(Targets one, Score(task, first));
  SCANSERVE_ASSIGN_OR_RETURN(const Targets two, Score(task, second));
  const int64_t other_choices = OtherChoices(one, two);
  DocumentPair pair(/*b_first=*/false);
  pair.AddFirst(std::move(one));
  SCANSERVE_RETURN_IF_ERROR(pair.AddSecond(two));
  SCANSERVE_RETURN_IF_ERROR(pair.End());
  const experiment::UnitKey& unit = task.request->ticket->unit;
  if (task.answer == nullptr) {
    task.experiment().AddPaired(task.arm, unit, pair.cluster());
  } else {
    task.experiment().AddAnswer(task.arm, task.writer(), unit, {pair.cluster(), other_choices});
  }
  return absl::OkStatus();
}

absl::StatusOr<Targets> ShadowQueue::Score(const Task& task, size_t arm) {
  const PinnedArm& pinned = task.experiment().arms()[arm];
  runtime::ScoreRequest request;
  request.basics.id = absl::StrCat(task.request->id, "-shadow");
  request.basics.priority = runtime::Priority::kLow;
  request.basics.scan = pinned.scan->applied;
  request.basics.adapter = pinned.adapter;
  request.basics.use_prefix_cache = false;
  request.tokens = task.request->prompt;
  request.mode = runtime::PerplexityMode::kContinuation;
  request.prefix_tokens = static_cast<int64_t>(task.request->prompt.size());
  if (task.answer == nullptr) {
    request.prefix_tokens /= 2;
  } else {
    // Read as it was when it was written.
    request.tokens.insert(request.tokens.end(), task.answer->begin(), task.answer->end());
    request.likeliest = true;
  }
  request.per_token = true;
  SCANSERVE_ASSIGN_OR_RETURN(const auto stream, Begin(std::move(request)));
  absl::StatusOr<Targets> targets = Collect(*stream);
  base::MutexLock lock(mutex_);
  stream_ = nullptr;
  return targets;
}

absl::StatusOr<std::shared_ptr<runtime::RequestStream>> ShadowQueue::Begin(
    runtime::ScoreRequest request) {
  base::MutexLock lock(mutex_);
  if (stopping_ || disturbed_) return absl::CancelledError("it makes way");
  SCANSERVE_ASSIGN_OR_RETURN(stream_, engine_.Score(std::move(request)));
  return stream_;
}

}  // namespace scanserve::server
