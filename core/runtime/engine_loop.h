// The engine's implementation: the queue in front of one thread, and that thread's loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/mutex.h"
#include "core/model/language_model.h"
#include "core/runtime/batch_runner.h"
#include "core/runtime/engine.h"
#include "core/runtime/parked_requests.h"
#include "core/runtime/prefix_reuse.h"
#include "core/runtime/request_queue.h"
#include "core/runtime/sequence.h"
#include "core/runtime/state_slots.h"
#include "core/runtime/step_planner.h"
#include "core/runtime/waker.h"

namespace scanserve::runtime {

class EngineLoop : public Engine {
 public:
  EngineLoop(const EngineOptions& options, std::shared_ptr<const model::LanguageModel> model);
  ~EngineLoop() override;

  absl::StatusOr<std::shared_ptr<RequestStream>> Generate(GenerateRequest request) override;
  absl::StatusOr<std::shared_ptr<RequestStream>> Score(ScoreRequest request) override;
  absl::StatusOr<std::shared_ptr<RequestStream>> Extract(ExtractRequest request) override;
  EngineStats stats() const override;
  void CancelAll(absl::Status status) override;

  // What the three above do with their jobs; for tests, with jobs of their own. `stream` is one of
  // NewStream().
  std::shared_ptr<RequestStream> NewStream() const;
  // Gives collected bytes back; may outlive the engine.
  std::function<void()> ReleaseOf(int64_t bytes) const;
  absl::StatusOr<std::shared_ptr<RequestStream>> Submit(std::unique_ptr<Job> job,
                                                        std::shared_ptr<RequestStream> stream);

 private:
  // Bytes that jobs collected; shared, because an answer can outlive the engine.
  struct ExtractionMemory {
    std::atomic<int64_t> bytes{0};
  };

  // ---- On the engine's thread.
  void Main();
  // Ends what is cancelled, expired or stalled: waiting, running and parked.
  void EndDropped();
  // Why the request of a sequence cannot go on; OK when it can.
  absl::Status ReasonToEnd(const Sequence& sequence, absl::Time now) const;
  // Parks the requests whose readers have not read for a while.
  void ParkStalled();
  void Park(const ActiveRequest& request);
  // Gives free slots to parked requests whose readers read again, then to waiting ones.
  void Admit();
  void Resume(std::vector<std::unique_ptr<Sequence>> sequences);
  // The next waiting request that fits; null when there is none.
  std::unique_ptr<Sequence> TakeFromQueue();
  void Start(std::unique_ptr<Sequence> sequence);
  // One step; false when there was nothing to do.
  bool Step();
  // Asks for the next readings of the sequences that are done with theirs.
  void AfterStep();
  // Adds the sequence to `running` when it has something to read, with the next reading and its
  // forks if it was done with the one before, else to `ended`.
  void GoOn(std::unique_ptr<Sequence> sequence, std::vector<std::unique_ptr<Sequence>>& running,
            std::vector<std::unique_ptr<Sequence>>& ended);
  // Gives the sequence its next reading, which the prefix cache may know in part or whole; false
  // when its job is done.
  bool BeginReading(Sequence& sequence);
  // A token of the sequence was chosen.
  void NoteToken(Sequence& sequence);
  // The sequences that a job forks into, now that its first reading has been read.
  std::vector<std::unique_ptr<Sequence>> Fork(Sequence& sequence);
  void ReserveForks(Sequence& sequence);
  void GiveBackForks(ActiveRequest& request);
  // Gives back what the sequence holds; the last one of a request ends it with its status.
  void End(std::unique_ptr<Sequence> sequence);
  absl::Time NextDeadline() const;
  void UpdateStats();

  // On any thread.
  void UpdateQueueStats() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const EngineOptions options_;
  const std::shared_ptr<const model::LanguageModel> model_;
  // [vocabulary] whether the tokenizer has the id.
  const std::vector<bool> selectable_;
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<ExtractionMemory> extraction_memory_;

  mutable base::Mutex mutex_;
  RequestQueue queue_ ABSL_GUARDED_BY(mutex_);
  // Not OK once CancelAll() was called.
  absl::Status cancel_all_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  EngineStats stats_ ABSL_GUARDED_BY(mutex_);

  // ---- Only the engine's thread touches these.
  BatchRunner runner_;
  StepPlanner planner_;
  StateSlots slots_;
  std::vector<std::unique_ptr<Sequence>> running_;
  ParkedRequests parked_;
  PrefixReuse prefixes_;
  int64_t steps_ = 0;
  absl::Duration step_time_;
  absl::Time last_step_ = absl::InfinitePast();

  std::thread thread_;
};

}  // namespace scanserve::runtime
