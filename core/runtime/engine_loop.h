// The engine's implementation: the queue in front of one thread, and that thread's loop.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/mutex.h"
#include "core/model/language_model.h"
#include "core/runtime/batch_runner.h"
#include "core/runtime/engine.h"
#include "core/runtime/sequence.h"
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

 private:
  // Bytes of hidden states in memory; shared, because an answer can outlive the engine.
  struct ExtractionMemory {
    std::atomic<int64_t> bytes{0};
  };
  struct Dropped {
    std::unique_ptr<Sequence> sequence;
    absl::Status status;
  };

  std::shared_ptr<RequestStream> NewStream() const;
  absl::StatusOr<std::shared_ptr<RequestStream>> Submit(std::unique_ptr<Job> job,
                                                        std::shared_ptr<RequestStream> stream);

  // ---- On the engine's thread.
  void Main();
  // Ends what is cancelled, expired or stalled, in the queue and among the running.
  void EndDropped();
  void TakeDroppedFromQueue(absl::Time now, std::vector<Dropped>& dropped);
  // Why a sequence cannot go on; OK when it can.
  absl::Status ReasonToEnd(const Sequence& sequence, absl::Time now) const;
  void Admit();
  // The first waiting request that fits; null when there is none.
  std::unique_ptr<Sequence> TakeFromQueue();
  // One step; false when there was nothing to do.
  bool Step();
  std::vector<Chunk> PlanDecoding(int64_t& budget);
  std::vector<Chunk> PlanPrompts(int64_t& budget);
  // The one pass layer by layer that is under way, or the next one.
  Sequence* LayerByLayerSequence();
  // Whether its reader has room; notes since when it has not.
  bool MayRun(Sequence& sequence, absl::Time now) const;
  void AfterStep();
  void End(std::unique_ptr<Sequence> sequence, absl::Status status);
  absl::Time NextDeadline() const;
  void UpdateStats();

  const EngineOptions options_;
  const std::shared_ptr<const model::LanguageModel> model_;
  // [vocabulary] whether the tokenizer has the id.
  const std::vector<bool> selectable_;
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<ExtractionMemory> extraction_memory_;

  mutable base::Mutex mutex_;
  std::deque<std::unique_ptr<Sequence>> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t queued_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  // Not OK once CancelAll() was called.
  absl::Status cancel_all_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  EngineStats stats_ ABSL_GUARDED_BY(mutex_);

  // ---- Only the engine's thread touches these.
  BatchRunner runner_;
  std::vector<std::unique_ptr<Sequence>> running_;
  std::vector<std::unique_ptr<model::SequenceState>> free_states_;
  int32_t states_made_ = 0;
  int64_t steps_ = 0;

  std::thread thread_;
};

}  // namespace scanserve::runtime
