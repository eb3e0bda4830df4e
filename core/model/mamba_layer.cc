#include "core/model/mamba_layer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/mixer_shapes.h"
#include "core/ops/conv1d.h"
#include "core/ops/selective_scan.h"

namespace scanserve::model {
namespace {

// Reads the tensors of one layer by their short names.
class LayerReader {
 public:
  LayerReader(int64_t index, const Checkpoint& checkpoint, std::set<std::string>& known)
      : prefix_(absl::StrCat("backbone.layers.", index, ".")),
        checkpoint_(checkpoint),
        known_(known) {}

  absl::StatusOr<const TensorView*> Get(const std::string& name,
                                        const std::vector<int64_t>& shape) {
    const std::string full = prefix_ + name;
    known_.insert(full);
    return checkpoint_.Get(full, shape);
  }

  // The values, followed by zeros up to `padded` floats.
  absl::StatusOr<base::AlignedBuffer> Values(const std::string& name,
                                             const std::vector<int64_t>& shape, int64_t padded) {
    SCANSERVE_ASSIGN_OR_RETURN(const TensorView* tensor, Get(name, shape));
    base::AlignedBuffer values(static_cast<size_t>(padded));
    WidenToFloat(*tensor, 0, tensor->size(), values.data());
    return values;
  }

 private:
  const std::string prefix_;
  const Checkpoint& checkpoint_;
  std::set<std::string>& known_;
};

absl::StatusOr<std::unique_ptr<ops::Linear>> LoadLinear(LayerReader& reader,
                                                        const MambaConfig& config, Module module,
                                                        const ops::LinearFactory& make_linear) {
  const ops::LinearShape stored = StoredShape(config, module);
  const ops::LinearShape computed = ComputedShape(config, module);
  const std::string name = absl::StrCat("mixer.", ModuleName(module));
  SCANSERVE_ASSIGN_OR_RETURN(
      const TensorView* weight,
      reader.Get(name + ".weight", {stored.out_features, stored.in_features}));
  std::vector<float> bias;
  if (HasBias(config, module)) {
    SCANSERVE_ASSIGN_OR_RETURN(const TensorView* tensor,
                               reader.Get(name + ".bias", {stored.out_features}));
    bias.resize(static_cast<size_t>(computed.out_features));
    for (int64_t n = 0; n < computed.out_features; ++n) {
      const int64_t source = StoredRow(config, module, n);
      if (source >= 0) WidenToFloat(*tensor, source, 1, &bias[static_cast<size_t>(n)]);
    }
  }
  return make_linear(
      computed,
      [&](int64_t n, float* row) {
        std::fill(row, row + computed.in_features, 0.0F);
        const int64_t source = StoredRow(config, module, n);
        if (source >= 0) {
          WidenToFloat(*weight, source * stored.in_features, stored.in_features, row);
        }
      },
      bias.empty() ? nullptr : bias.data());
}

}  // namespace

Mamba::Layer::Layer(const MambaConfig& config)
    : config_(config), channels_(PaddedChannels(config)) {}

absl::StatusOr<std::unique_ptr<const Mamba::Layer>> Mamba::Layer::Load(
    const MambaConfig& config, int64_t index, const Checkpoint& checkpoint,
    const ops::LinearFactory& make_linear, std::set<std::string>& known) {
  LayerReader reader(index, checkpoint, known);
  std::unique_ptr<Layer> layer(new Layer(config));
  const int64_t channels = layer->channels_;
  const int64_t inner = config.inner_size;
  SCANSERVE_ASSIGN_OR_RETURN(
      layer->norm_, reader.Values("norm.weight", {config.hidden_size}, config.hidden_size));
  SCANSERVE_ASSIGN_OR_RETURN(const base::AlignedBuffer conv,
                             reader.Values("mixer.conv1d.weight", {inner, 1, config.conv_kernel},
                                           inner * config.conv_kernel));
  layer->conv_weight_ = base::AlignedBuffer(static_cast<size_t>(channels * config.conv_kernel));
  ops::PackConv1dWeight(conv.data(), inner, config.conv_kernel, channels,
                        layer->conv_weight_.data());
  if (config.use_conv_bias) {
    SCANSERVE_ASSIGN_OR_RETURN(layer->conv_bias_,
                               reader.Values("mixer.conv1d.bias", {inner}, channels));
  }
  SCANSERVE_ASSIGN_OR_RETURN(
      const base::AlignedBuffer a_log,
      reader.Values("mixer.A_log", {inner, config.state_size}, inner * config.state_size));
  layer->scan_a_ = base::AlignedBuffer(static_cast<size_t>(channels * config.state_size));
  ops::PackScanA(a_log.data(), inner, config.state_size, channels, layer->scan_a_.data());
  SCANSERVE_ASSIGN_OR_RETURN(layer->scan_d_, reader.Values("mixer.D", {inner}, channels));
  for (int i = 0; i < kModules; ++i) {
    SCANSERVE_ASSIGN_OR_RETURN(layer->linears_[static_cast<size_t>(i)],
                               LoadLinear(reader, config, static_cast<Module>(i), make_linear));
  }
  return std::unique_ptr<const Layer>(std::move(layer));
}

int64_t Mamba::Layer::weight_bytes() const {
  const size_t floats =
      norm_.size() + conv_weight_.size() + conv_bias_.size() + scan_a_.size() + scan_d_.size();
  auto bytes = static_cast<int64_t>(floats * sizeof(float));
  for (const auto& linear : linears_) bytes += linear->weight_bytes();
  return bytes;
}

void Mamba::Layer::RunConv(int64_t index, absl::Span<const SequenceRows> batch, const float* uz,
                           float* u, base::ThreadPool& pool) const {
  std::vector<ops::Conv1dSegment> segments;
  segments.reserve(batch.size());
  int64_t row = 0;
  for (const SequenceRows& sequence : batch) {
    segments.push_back({sequence.rows, uz + row * 2 * channels_, u + row * channels_,
                        sequence.state->conv(index)});
    row += sequence.rows;
  }
  const float* bias = conv_bias_.size() == 0 ? nullptr : conv_bias_.data();
  ops::RunConv1d(
      {channels_, config_.conv_kernel, conv_weight_.data(), bias, 2 * channels_, channels_},
      segments, pool);
}

void Mamba::Layer::RunScan(int64_t index, absl::Span<const SequenceRows> batch,
                           const ScanActivations& activations, base::ThreadPool& pool) const {
  const int64_t states = config_.state_size;
  const int64_t dt_b_c = config_.time_step_rank + 2 * states;
  std::vector<ops::SelectiveScanSegment> segments;
  segments.reserve(batch.size());
  int64_t row = 0;
  for (const SequenceRows& sequence : batch) {
    const float* b = activations.b + row * dt_b_c;
    segments.push_back({sequence.rows, activations.delta + row * channels_,
                        activations.u + row * channels_, activations.z + row * 2 * channels_, b,
                        b + states, activations.gated + row * channels_,
                        sequence.state->scan(index)});
    row += sequence.rows;
  }
  ops::SelectiveScanParams params = {};
  params.channels = channels_;
  params.state_size = states;
  params.a = scan_a_.data();
  params.d = scan_d_.data();
  params.delta_stride = channels_;
  params.u_stride = channels_;
  params.z_stride = 2 * channels_;
  params.b_stride = dt_b_c;
  params.c_stride = dt_b_c;
  params.y_stride = channels_;
  ops::RunSelectiveScan(params, segments, pool);
}

}  // namespace scanserve::model
