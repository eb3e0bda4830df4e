// Scores prompts under two arms of an experiment, in the background and for nobody who waits.
//
// A thread of its own takes them one after the other, in the order in which they came, and only
// while the engine has nothing else to do. A request that arrives meanwhile cancels the scoring
// before the engine's next step; it begins again later. Nothing of it reaches a cache or a session.
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
#include "core/compare/paired_cluster.h"
#include "core/runtime/engine.h"
#include "server/running_experiment.h"
#include "server/server_options.h"

namespace scanserve::server {

// Thread-safe.
class ShadowQueue {
 public:
  // `engine` outlives the queue; `limits` say how long a prompt may be.
  ShadowQueue(runtime::Engine& engine, const RequestLimits& limits);
  // Drops what waits and joins the thread.
  ~ShadowQueue();
  ShadowQueue(const ShadowQueue&) = delete;
  ShadowQueue& operator=(const ShadowQueue&) = delete;

  // A request of `ticket` was taken by the engine: what its hash has chosen is scored later, or
  // dropped when too much waits already.
  void Offer(const std::shared_ptr<const ArmTicket>& ticket, const std::string& request_id,
             const std::vector<int32_t>& prompt);
  // The engine has other work.
  void MakeWay();

 private:
  struct Task {
    std::shared_ptr<const ArmTicket> ticket;
    // The arm that is compared with the control.
    size_t arm;
    std::string id;
    std::shared_ptr<const std::vector<int32_t>> prompt;
  };

  void Run();
  // The next task, once the engine is idle; nothing when it is time to end. It stays in the queue.
  std::optional<Task> Await();
  bool IsScorable(const Task& task) const;
  // CANCELLED when it made way.
  absl::StatusOr<compare::PairedCluster> ScorePair(const Task& task);
  absl::StatusOr<std::vector<runtime::ScoredTokens::Target>> Score(const Task& task,
                                                                   const PinnedArm& arm);
  // CANCELLED when a request has arrived since the engine was seen to be idle.
  absl::StatusOr<std::shared_ptr<runtime::RequestStream>> Begin(runtime::ScoreRequest request);
  void PopFront();

  runtime::Engine& engine_;
  const RequestLimits limits_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  int64_t waiting_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // A request has arrived since the engine was last seen to be idle.
  bool disturbed_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<runtime::RequestStream> stream_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace scanserve::server
