// The Mamba-1 network (Gu and Dao 2023, arXiv:2312.00752) over packed batches of tokens.
//
// A batch holds consecutive rows of several sequences, one row a token, without padding. The
// products run over all rows at once; conv1d and the scan run per sequence on its own state. A
// row's result depends on that row, the weights and its sequence's state alone, to the bit
// (numerics id f32.k1).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/aligned_buffer.h"
#include "core/base/thread_pool.h"
#include "core/model/adapter.h"
#include "core/model/checkpoint.h"
#include "core/model/mamba_config.h"
#include "core/ops/linear.h"

namespace scanserve::model {

// The recurrent state of one sequence in all layers: the last conv inputs and the state of the
// scan, in the layouts of ops/conv1d.h and ops/selective_scan.h.
class SequenceState {
 public:
  explicit SequenceState(const MambaConfig& config);

  // As before the first token.
  void Zero();
  // With NaN: whoever reads it shows.
  void Poison();
  // `other` is of the same config.
  void CopyFrom(const SequenceState& other);

  float* conv(int64_t layer) { return data_.data() + layer * floats_per_layer_; }
  float* scan(int64_t layer) { return conv(layer) + conv_floats_; }
  int64_t bytes() const { return static_cast<int64_t>(data_.size() * sizeof(float)); }
  // Memory that it takes: more than bytes() where it has huge pages of its own.
  int64_t held_bytes() const { return static_cast<int64_t>(data_.held_bytes()); }
  // All of it. The layout follows from the config alone, whatever the processor.
  absl::Span<float> floats() { return absl::MakeSpan(data_.data(), data_.size()); }
  absl::Span<const float> floats() const { return absl::MakeSpan(data_.data(), data_.size()); }

 private:
  const int64_t conv_floats_;
  const int64_t floats_per_layer_;
  base::AlignedBuffer data_;
};

// The next rows of a batch: `rows` consecutive tokens of one sequence.
struct SequenceRows {
  int64_t rows;
  SequenceState* state;
  // Null is the base model. Sequences of one adapter should stand together, each run of them is one
  // product, and those of merged adapters at one end: all between them share the base's product.
  const Adapter* adapter;
};

// Intermediate values of RunLayer. One belongs to one thread that calls it.
class LayerWorkspace {
 public:
  LayerWorkspace(const MambaConfig& config, int64_t max_rows);

  int64_t max_rows() const { return max_rows_; }
  // [rows, hidden]: what the mixer of the last RunLayer read.
  const float* mixer_input() const { return mixer_input_.data(); }

 private:
  friend class Mamba;
  const int64_t max_rows_;
  base::AlignedBuffer mixer_input_;  // [rows, hidden]
  base::AlignedBuffer uz_;           // [rows, 2 channels]: u, then z
  base::AlignedBuffer u_;            // [rows, channels], after conv1d and silu
  base::AlignedBuffer dt_b_c_;       // [rows, rank + 2 state_size]
  base::AlignedBuffer delta_;        // [rows, channels]
  base::AlignedBuffer gated_;        // [rows, channels]
  base::AlignedBuffer lora_;         // [rows, rank of the adapter]
};

class Mamba {
 public:
  // Reads every tensor that the config asks for and refuses those that it does not know.
  static absl::StatusOr<std::unique_ptr<const Mamba>> Create(const MambaConfig& config,
                                                             const Checkpoint& checkpoint,
                                                             const ops::LinearFactory& make_linear);
  ~Mamba();

  const MambaConfig& config() const { return config_; }
  // Memory that the weights take as held.
  int64_t weight_bytes() const;
  // The base model's product of one module.
  const ops::Linear& product(int64_t layer, Module module) const;

  // residual[row] = embedding of tokens[row]. residual: [rows, hidden]; ids below the vocabulary
  // size.
  void Embed(absl::Span<const int32_t> tokens, float* residual) const;
  // residual += mixer(rms_norm(residual)) in one layer, for all rows of `batch`, at most
  // workspace.max_rows() together. Advances each sequence's state of that layer.
  void RunLayer(int64_t layer, absl::Span<const SequenceRows> batch, float* residual,
                LayerWorkspace& workspace, base::ThreadPool& pool) const;
  // normed = the norm before the head. [rows, hidden] each; may be the same memory.
  void FinalNorm(const float* residual, int64_t rows, float* normed, base::ThreadPool& pool) const;
  // logits: [rows, vocabulary].
  void Logits(const float* normed, int64_t rows, float* logits, base::ThreadPool& pool) const;

 private:
  struct Layer;
  explicit Mamba(const MambaConfig& config);

  // Adds the names of its tensors to `known`.
  absl::Status LoadHead(const Checkpoint& checkpoint, const ops::LinearFactory& make_linear,
                        std::set<std::string>& known);
  // The product of the module itself: the base model's, or that of a merged adapter.
  void RunWeights(int64_t layer_index, Module module, absl::Span<const SequenceRows> batch,
                  const ops::LinearCall& call, base::ThreadPool& pool) const;
  // That, and the pairs of adapters that are not merged.
  void RunModule(int64_t layer_index, Module module, absl::Span<const SequenceRows> batch,
                 const ops::LinearCall& call, LayerWorkspace& workspace,
                 base::ThreadPool& pool) const;

  const MambaConfig config_;
  const int64_t channels_;                  // inner size, padded
  std::unique_ptr<ops::Linear> embedding_;  // null when tied: rows come from head_
  std::unique_ptr<ops::Linear> head_;
  std::vector<float> final_norm_;
  std::vector<std::unique_ptr<const Layer>> layers_;
};

// Channels inside a mixer as computed: the inner size rounded up to whole channel groups. The added
// channels have zero weights and stay zero.
int64_t PaddedChannels(const MambaConfig& config);

// What SequenceState(config).bytes() is.
int64_t SequenceStateBytes(const MambaConfig& config);

}  // namespace scanserve::model
