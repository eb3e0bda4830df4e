#include "core/model/mamba.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/model/mamba_layer.h"
#include "core/model/mixer_shapes.h"
#include "core/ops/rms_norm.h"

namespace scanserve::model {
namespace {

size_t Floats(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns); }

int64_t ConvStateFloats(const MambaConfig& config) {
  return PaddedChannels(config) * (config.conv_kernel - 1);
}

// Rows of consecutive sequences that share an adapter.
struct AdapterRun {
  const Adapter* adapter;
  int64_t begin;
  int64_t rows;
};

std::vector<AdapterRun> AdapterRuns(absl::Span<const SequenceRows> batch) {
  std::vector<AdapterRun> runs;
  int64_t row = 0;
  for (const SequenceRows& sequence : batch) {
    if (!runs.empty() && runs.back().adapter == sequence.adapter) {
      runs.back().rows += sequence.rows;
    } else {
      runs.push_back({sequence.adapter, row, sequence.rows});
    }
    row += sequence.rows;
  }
  return runs;
}

int64_t RowCount(absl::Span<const SequenceRows> batch) {
  int64_t rows = 0;
  for (const SequenceRows& sequence : batch) rows += sequence.rows;
  return rows;
}

// The part of `call` for `rows` rows from `begin` on.
ops::LinearCall RowsOf(const ops::LinearCall& call, int64_t begin, int64_t rows) {
  ops::LinearCall part = call;
  part.x += begin * call.x_stride;
  part.y += begin * call.y_stride;
  part.rows = rows;
  return part;
}

}  // namespace

int64_t SequenceStateBytes(const MambaConfig& config) {
  const int64_t floats_per_layer =
      ConvStateFloats(config) + PaddedChannels(config) * config.state_size;
  return config.num_layers * floats_per_layer * static_cast<int64_t>(sizeof(float));
}

SequenceState::SequenceState(const MambaConfig& config)
    : conv_floats_(ConvStateFloats(config)),
      floats_per_layer_(conv_floats_ + PaddedChannels(config) * config.state_size),
      data_(Floats(config.num_layers, floats_per_layer_)) {}

void SequenceState::Zero() { std::fill(data_.data(), data_.data() + data_.size(), 0.0F); }

void SequenceState::Poison() {
  std::fill(data_.data(), data_.data() + data_.size(), std::numeric_limits<float>::quiet_NaN());
}

void SequenceState::CopyFrom(const SequenceState& other) {
  SCANSERVE_CHECK(other.data_.size() == data_.size());
  std::copy(other.data_.data(), other.data_.data() + other.data_.size(), data_.data());
}

LayerWorkspace::LayerWorkspace(const MambaConfig& config, int64_t max_rows)
    : max_rows_(max_rows),
      mixer_input_(Floats(max_rows, config.hidden_size)),
      uz_(Floats(max_rows, 2 * PaddedChannels(config))),
      u_(Floats(max_rows, PaddedChannels(config))),
      dt_b_c_(Floats(max_rows, config.time_step_rank + 2 * config.state_size)),
      delta_(Floats(max_rows, PaddedChannels(config))),
      gated_(Floats(max_rows, PaddedChannels(config))) {}

Mamba::Mamba(const MambaConfig& config) : config_(config), channels_(PaddedChannels(config)) {}
Mamba::~Mamba() = default;

absl::StatusOr<std::unique_ptr<const Mamba>> Mamba::Create(const MambaConfig& config,
                                                           const Checkpoint& checkpoint,
                                                           const ops::LinearFactory& make_linear) {
  std::unique_ptr<Mamba> model(new Mamba(config));
  std::set<std::string> known;
  SCANSERVE_RETURN_IF_ERROR(model->LoadHead(checkpoint, make_linear, known));
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    SCANSERVE_ASSIGN_OR_RETURN(auto loaded,
                               Layer::Load(config, layer, checkpoint, make_linear, known));
    model->layers_.push_back(std::move(loaded));
  }
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (!known.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", name, ": not part of this model"));
    }
  }
  return std::unique_ptr<const Mamba>(std::move(model));
}

absl::Status Mamba::LoadHead(const Checkpoint& checkpoint, const ops::LinearFactory& make_linear,
                             std::set<std::string>& known) {
  const ops::LinearShape shape = {config_.vocab_size, config_.hidden_size};
  const std::vector<int64_t> extents = {config_.vocab_size, config_.hidden_size};
  // The second is the name in the original state-spaces checkpoints.
  const bool original = checkpoint.Find("backbone.embeddings.weight") == nullptr &&
                        checkpoint.Find("backbone.embedding.weight") != nullptr;
  const std::string embedding_name =
      original ? "backbone.embedding.weight" : "backbone.embeddings.weight";
  known = {embedding_name, "backbone.norm_f.weight", "lm_head.weight"};
  SCANSERVE_ASSIGN_OR_RETURN(const TensorView* embedding, checkpoint.Get(embedding_name, extents));
  const TensorView* head = embedding;
  if (!config_.tie_word_embeddings) {
    SCANSERVE_ASSIGN_OR_RETURN(head, checkpoint.Get("lm_head.weight", extents));
  } else if (const TensorView* spare = checkpoint.Find("lm_head.weight")) {
    SCANSERVE_RETURN_IF_ERROR(CheckTensor("lm_head.weight", *spare, extents));
  }
  const auto make = [&](const TensorView& tensor) {
    return make_linear(
        shape,
        [&](int64_t n, float* row) {
          WidenToFloat(tensor, n * shape.in_features, shape.in_features, row);
        },
        nullptr);
  };
  head_ = make(*head);
  if (!config_.tie_word_embeddings) embedding_ = make(*embedding);
  SCANSERVE_ASSIGN_OR_RETURN(const TensorView* norm,
                             checkpoint.Get("backbone.norm_f.weight", {config_.hidden_size}));
  final_norm_.resize(static_cast<size_t>(config_.hidden_size));
  WidenToFloat(*norm, 0, config_.hidden_size, final_norm_.data());
  return absl::OkStatus();
}

int64_t Mamba::weight_bytes() const {
  int64_t bytes = head_->weight_bytes() + (embedding_ ? embedding_->weight_bytes() : 0);
  for (const auto& layer : layers_) bytes += layer->weight_bytes();
  return bytes;
}

void Mamba::Embed(absl::Span<const int32_t> tokens, float* residual) const {
  const ops::Linear& table = embedding_ ? *embedding_ : *head_;
  for (size_t i = 0; i < tokens.size(); ++i) {
    SCANSERVE_CHECK(tokens[i] >= 0 && tokens[i] < config_.vocab_size);
    table.CopyWeightRow(tokens[i], residual + static_cast<int64_t>(i) * config_.hidden_size);
  }
}

const ops::Linear& Mamba::product(int64_t layer, Module module) const {
  return layers_[static_cast<size_t>(layer)]->linear(module);
}

void Mamba::RunWeights(int64_t layer, Module module, absl::Span<const SequenceRows> batch,
                       const ops::LinearCall& call, base::ThreadPool& pool) const {
  int64_t begin = 0;  // of the rows that are still to be read
  for (const AdapterRun& run : AdapterRuns(batch)) {
    const ops::Linear* merged =
        run.adapter == nullptr ? nullptr : run.adapter->merged_product(layer, module);
    if (merged == nullptr) continue;
    product(layer, module).Run(RowsOf(call, begin, run.begin - begin), pool);
    merged->Run(RowsOf(call, run.begin, run.rows), pool);
    begin = run.begin + run.rows;
  }
  product(layer, module).Run(RowsOf(call, begin, call.rows - begin), pool);
}

void Mamba::RunModule(int64_t layer_index, Module module, absl::Span<const SequenceRows> batch,
                      const ops::LinearCall& call, LayerWorkspace& workspace,
                      base::ThreadPool& pool) const {
  RunWeights(layer_index, module, batch, call, pool);
  for (const AdapterRun& run : AdapterRuns(batch)) {
    if (run.adapter == nullptr) continue;
    const LoraPair& pair = run.adapter->pair(layer_index, module);
    if (pair.a == nullptr) continue;
    const int64_t rank = pair.a->shape().out_features;
    if (workspace.lora_.size() < Floats(workspace.max_rows_, rank)) {
      workspace.lora_ = base::AlignedBuffer(Floats(workspace.max_rows_, rank));
    }
    pair.a->Run({call.x + run.begin * call.x_stride, call.x_stride, workspace.lora_.data(), rank,
                 run.rows, /*accumulate=*/false},
                pool);
    pair.b->Run({workspace.lora_.data(), rank, call.y + run.begin * call.y_stride, call.y_stride,
                 run.rows, /*accumulate=*/true},
                pool);
  }
}

void Mamba::RunLayer(int64_t layer_index, absl::Span<const SequenceRows> batch, float* residual,
                     LayerWorkspace& workspace, base::ThreadPool& pool) const {
  const Layer& layer = *layers_[static_cast<size_t>(layer_index)];
  const int64_t rows = RowCount(batch);
  const int64_t hidden = config_.hidden_size;
  const int64_t rank = config_.time_step_rank;
  const int64_t dt_b_c = rank + 2 * config_.state_size;
  SCANSERVE_CHECK(rows <= workspace.max_rows_);
  const auto run = [&](Module module, const ops::LinearCall& call) {
    RunModule(layer_index, module, batch, call, workspace, pool);
  };
  LayerWorkspace& w = workspace;

  ops::RmsNorm({residual, w.mixer_input_.data(), layer.norm(), rows, hidden, config_.norm_epsilon},
               pool);
  run(Module::kInProj,
      {w.mixer_input_.data(), hidden, w.uz_.data(), 2 * channels_, rows, /*accumulate=*/false});
  layer.RunConv(layer_index, batch, w.uz_.data(), w.u_.data(), pool);
  run(Module::kXProj,
      {w.u_.data(), channels_, w.dt_b_c_.data(), dt_b_c, rows, /*accumulate=*/false});
  run(Module::kDtProj,
      {w.dt_b_c_.data(), dt_b_c, w.delta_.data(), channels_, rows, /*accumulate=*/false});
  layer.RunScan(layer_index, batch,
                {w.delta_.data(), w.u_.data(), w.uz_.data() + channels_, w.dt_b_c_.data() + rank,
                 w.gated_.data()},
                pool);
  run(Module::kOutProj, {w.gated_.data(), channels_, residual, hidden, rows, /*accumulate=*/true});
}

void Mamba::FinalNorm(const float* residual, int64_t rows, float* normed,
                      base::ThreadPool& pool) const {
  ops::RmsNorm(
      {residual, normed, final_norm_.data(), rows, config_.hidden_size, config_.norm_epsilon},
      pool);
}

void Mamba::Logits(const float* normed, int64_t rows, float* logits, base::ThreadPool& pool) const {
  head_->Run({normed, config_.hidden_size, logits, config_.vocab_size, rows, /*accumulate=*/false},
             pool);
}

}  // namespace scanserve::model
