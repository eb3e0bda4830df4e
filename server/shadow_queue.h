// Scores prompts, and the answers to them, under two arms of an experiment, in the background and
// for nobody who waits.
//
// A thread of its own takes them one after the other, in the order in which they came, and only
// while the engine has nothing else to do. Prompts and answers take turns; once many prompts wait
// they go first, since verdicts are made of them. A request that arrives meanwhile cancels the
// scoring before the engine's next step; it begins again later. Nothing of it reaches a cache or a
// session.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/runtime/engine.h"
#include "server/running_experiment.h"
#include "server/server_options.h"

namespace scanserve::server {

// A request whose hash has chosen shadows. Immutable.
struct ShadowedRequest {
  std::shared_ptr<const ArmTicket> ticket;
  std::string id;
  std::vector<int32_t> prompt;
  // Those that are compared with the control.
  std::vector<size_t> arms;
};

// Thread-safe.
class ShadowQueue {
 public:
  // `engine` outlives the queue; `limits` say how long a prompt may be.
  ShadowQueue(runtime::Engine& engine, const RequestLimits& limits);
  // Drops what waits and joins the thread.
  ~ShadowQueue();
  ShadowQueue(const ShadowQueue&) = delete;
  ShadowQueue& operator=(const ShadowQueue&) = delete;

  // A request of `ticket` was taken by the engine: when its hash has chosen arms, its prompt is
  // scored later under each of them and the control, or dropped when too much waits already. Null
  // when it has chosen none.
  std::shared_ptr<const ShadowedRequest> Offer(const std::shared_ptr<const ArmTicket>& ticket,
                                               const std::string& request_id,
                                               const std::vector<int32_t>& prompt);
  // It has ended well with `answer`, of a token or more: likewise, for the pairs of which its own
  // arm is one.
  void OfferAnswer(const std::shared_ptr<const ShadowedRequest>& request,
                   std::vector<int32_t> answer);
  // The engine has other work.
  void MakeWay();

 private:
  struct Task {
    std::shared_ptr<const ShadowedRequest> request;
    // The arm that is compared with the control.
    size_t arm;
    // Null: the prompt is scored.
    std::shared_ptr<const std::vector<int32_t>> answer;

    RunningExperiment& experiment() const { return *request->ticket->experiment; }
    size_t writer() const { return request->ticket->arm; }
    int64_t tokens() const;
  };
  // Those that wait.
  struct Lane {
    std::deque<Task> tasks;
    int64_t tokens = 0;
  };

  const Task& Next() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Lane& LaneOf(const Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Into its lane, or dropped.
  void Enqueue(Task task) ABSL_LOCKS_EXCLUDED(mutex_);
  static void Drop(const Task& task, experiment::ShadowDrop drop);
  void Run();
  // The next task, once the engine is idle; nothing when it is time to end. It stays in its lane.
  std::optional<Task> Await();
  bool IsScorable(const Task& task) const;
  // Adds what it found to the experiment. CANCELLED when it made way.
  absl::Status ScorePair(const Task& task);
  absl::StatusOr<std::vector<runtime::ScoredTokens::Target>> Score(const Task& task, size_t arm);
  // CANCELLED when a request has arrived since the engine was seen to be idle.
  absl::StatusOr<std::shared_ptr<runtime::RequestStream>> Begin(runtime::ScoreRequest request);
  void PopFront(const Task& task);

  runtime::Engine& engine_;
  const RequestLimits limits_;
  base::Mutex mutex_;
  base::CondVar changed_;
  Lane prompts_ ABSL_GUARDED_BY(mutex_);
  Lane answers_ ABSL_GUARDED_BY(mutex_);
  bool answer_was_last_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // A request has arrived since the engine was last seen to be idle.
  bool disturbed_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<runtime::RequestStream> stream_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace scanserve::server
