// The weights of one Mamba layer and the two operations that carry state. Internal to model/mamba.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/aligned_buffer.h"
#include "core/model/mamba.h"

namespace scanserve::model {

// Activations of RunScan, [rows, channels] each but for dt_b_c.
struct ScanActivations {
  const float* delta;
  const float* u;
  const float* z;  // inside [rows, 2 channels]
  const float* b;  // inside [rows, rank + 2 state_size], followed by c
  float* gated;
};

struct Mamba::Layer {
 public:
  // Adds the names of its tensors to `known`.
  static absl::StatusOr<std::unique_ptr<const Layer>> Load(const MambaConfig& config, int64_t index,
                                                           const Checkpoint& checkpoint,
                                                           const ops::LinearFactory& make_linear,
                                                           std::set<std::string>& known);

  const float* norm() const { return norm_.data(); }
  const ops::Linear& linear(Module module) const { return *linears_[static_cast<size_t>(module)]; }
  int64_t weight_bytes() const;

  // u = silu(conv1d(uz)), per sequence.
  void RunConv(int64_t index, absl::Span<const SequenceRows> batch, const float* uz, float* u,
               base::ThreadPool& pool) const;
  // gated = (scan + D u) silu(z), per sequence.
  void RunScan(int64_t index, absl::Span<const SequenceRows> batch,
               const ScanActivations& activations, base::ThreadPool& pool) const;

 private:
  explicit Layer(const MambaConfig& config);

  const MambaConfig config_;
  const int64_t channels_;
  base::AlignedBuffer norm_;         // [hidden]
  base::AlignedBuffer conv_weight_;  // [channels / 16][kernel][16]
  base::AlignedBuffer conv_bias_;    // [channels], empty without bias
  base::AlignedBuffer scan_a_;       // [channels / 16][state_size][16]
  base::AlignedBuffer scan_d_;       // [channels]
  std::array<std::unique_ptr<ops::Linear>, kModules> linears_;
};

}  // namespace scanserve::model
