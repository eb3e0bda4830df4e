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

}  // namespace

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
  for (const Task& task : tasks_) {
    task.ticket->experiment->CountDropped(task.arm, ShadowDrop::kFailed);
  }
}

void ShadowQueue::Offer(const std::shared_ptr<const ArmTicket>& ticket,
                        const std::string& request_id, const std::vector<int32_t>& prompt) {
  std::shared_ptr<const std::vector<int32_t>> shared;
  for (const size_t arm : ticket->experiment->Sample(request_id)) {
    if (shared == nullptr) shared = std::make_shared<const std::vector<int32_t>>(prompt);
    Task task = {ticket, arm, absl::StrCat(request_id, "-shadow"), shared};
    if (!IsScorable(task)) {
      ticket->experiment->CountDropped(arm, ShadowDrop::kUnscorable);
      continue;
    }
    const auto tokens = static_cast<int64_t>(prompt.size());
    base::MutexLock lock(mutex_);
    if (tasks_.size() < kWaitingTasks && waiting_tokens_ + tokens <= kWaitingTokens) {
      waiting_tokens_ += tokens;
      tasks_.push_back(std::move(task));
      changed_.NotifyAll();
    } else {
      ticket->experiment->CountDropped(arm, ShadowDrop::kQueueFull);
    }
  }
}

void ShadowQueue::MakeWay() {
  base::MutexLock lock(mutex_);
  disturbed_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

bool ShadowQueue::IsScorable(const Task& task) const {
  const std::vector<PinnedArm>& arms = task.ticket->experiment->arms();
  const int64_t most =
      std::min(MaxTokens(limits_, arms.front()), MaxTokens(limits_, arms[task.arm]));
  const auto tokens = static_cast<int64_t>(task.prompt->size());
  return tokens >= 2 && tokens <= most;
}

void ShadowQueue::Run() {
  while (const std::optional<Task> task = Await()) {
    RunningExperiment& experiment = *task->ticket->experiment;
    // Of an experiment that has ended nothing is counted any more.
    if (!experiment.stop()) {
      const absl::StatusOr<compare::PairedCluster> cluster = ScorePair(*task);
      if (absl::IsCancelled(cluster.status())) continue;
      if (cluster.ok()) {
        experiment.AddPaired(task->arm, task->ticket->unit, *cluster);
      } else {
        LogWarning("shadow failed", {{"id", task->id},
                                     {"experiment", task->ticket->experiment_id()},
                                     {"message", std::string(cluster.status().message())}});
        experiment.CountDropped(task->arm, ShadowDrop::kFailed);
      }
    }
    PopFront();
  }
}

std::optional<ShadowQueue::Task> ShadowQueue::Await() {
  base::MutexLock lock(mutex_);
  for (;;) {
    while (!stopping_ && tasks_.empty()) changed_.Wait(mutex_);
    if (stopping_) return std::nullopt;
    disturbed_ = false;
    if (IsIdle(engine_.stats())) return tasks_.front();
    changed_.WaitUntil(mutex_, absl::Now() + kBusyWait);
  }
}

void ShadowQueue::PopFront() {
  base::MutexLock lock(mutex_);
  waiting_tokens_ -= static_cast<int64_t>(tasks_.front().prompt->size());
  tasks_.pop_front();
}

absl::StatusOr<compare::PairedCluster> ShadowQueue::ScorePair(const Task& task) {
  const std::vector<PinnedArm>& arms = task.ticket->experiment->arms();
  SCANSERVE_ASSIGN_OR_RETURN(Targets control, Score(task, arms.front()));
  SCANSERVE_ASSIGN_OR_RETURN(const Targets challenger, Score(task, arms[task.arm]));
  DocumentPair pair(/*b_first=*/false);
  pair.AddFirst(std::move(control));
  SCANSERVE_RETURN_IF_ERROR(pair.AddSecond(challenger));
  SCANSERVE_RETURN_IF_ERROR(pair.End());
  return pair.cluster();
}

absl::StatusOr<Targets> ShadowQueue::Score(const Task& task, const PinnedArm& arm) {
  runtime::ScoreRequest request;
  request.basics.id = task.id;
  request.basics.priority = runtime::Priority::kLow;
  request.basics.scan = arm.scan->applied;
  request.basics.adapter = arm.adapter;
  request.basics.use_prefix_cache = false;
  request.tokens = *task.prompt;
  request.mode = runtime::PerplexityMode::kContinuation;
  request.prefix_tokens = static_cast<int64_t>(task.prompt->size()) / 2;
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
