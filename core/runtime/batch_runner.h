// Runs chunks of sequences through the model and hands the results to their jobs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "core/base/aligned_buffer.h"
#include "core/base/thread_pool.h"
#include "core/model/language_model.h"
#include "core/runtime/sequence.h"

namespace scanserve::runtime {

// The next `tokens` of a sequence's reading.
struct Chunk {
  Sequence* sequence;
  int64_t tokens;
};

// Belongs to the engine's thread.
class BatchRunner {
 public:
  // `model` must outlive it. At most `max_rows` tokens run at once.
  BatchRunner(const model::LanguageModel& model, int threads, int64_t max_rows);

  // Reads all chunks through all layers as one packed batch. None of them is layer by layer.
  void RunTogether(std::vector<Chunk> chunks);
  // Takes a pass layer by layer further, by about `tokens` tokens through all layers. Afterwards
  // tokens_left() is 0 when the pass is complete.
  void RunLayerByLayer(Sequence& sequence, int64_t tokens);

 private:
  // One row of the batch: whose it is, and at which natural position.
  struct Row {
    Sequence* sequence;
    int64_t position;
  };

  // Hands out hidden states of `kind` at `layer` to the jobs that want them. states: [rows,
  // hidden].
  void DeliverHidden(HiddenStateKind kind, int64_t layer, absl::Span<const Row> rows,
                     const float* states);
  // Hands logits_ to the jobs that want them, on all threads.
  void DeliverLogits(absl::Span<const Row> rows);
  // Final norm and head for the rows that need them. residual: [rows, hidden].
  void DeliverOutputs(absl::Span<const Row> rows, const float* residual);
  void BeginLayerByLayer(Sequence& sequence);
  // The next chunk of the present layer, at most `tokens`; returns how many.
  int64_t RunLayerChunk(Sequence& sequence, int64_t tokens);
  // The same for the outputs after the last layer.
  int64_t RunOutputChunk(Sequence& sequence, int64_t tokens);

  const model::LanguageModel& model_;
  const int64_t hidden_;
  base::ThreadPool pool_;
  model::LayerWorkspace workspace_;
  base::AlignedBuffer residual_;  // [max_rows, hidden]
  base::AlignedBuffer normed_;    // [kOutputRows, hidden]
  base::AlignedBuffer logits_;    // [kOutputRows, vocabulary]
};

}  // namespace scanserve::runtime
