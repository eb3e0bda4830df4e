// A LoRA adapter in PEFT's format, loaded for one model. Immutable and thread-safe.
//
// The result of a module with an adapter is that of the merged weight W + scale B A (Hu et al.
// 2021, arXiv:2106.09685), computed as W x + (scale B) (A x).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/mamba_config.h"
#include "core/ops/linear.h"

namespace scanserve::model {

// The four products of a mixer.
enum class Module { kInProj = 0, kXProj = 1, kDtProj = 2, kOutProj = 3 };
inline constexpr int kModules = 4;

// Name in checkpoints, e.g. "in_proj".
const char* ModuleName(Module module);

// One module's pair of small products; null where the adapter leaves the module alone.
struct LoraPair {
  std::unique_ptr<ops::Linear> a;  // [rank, in_features]
  std::unique_ptr<ops::Linear> b;  // [out_features, rank], scale folded in
};

class Adapter {
 public:
  // Reads `folder`/adapter_config.json and adapter_model.safetensors. Fields and keys that this
  // program does not apply are refused by name; every tensor's shape is checked against `config`.
  static absl::StatusOr<std::shared_ptr<const Adapter>> Load(const std::string& name,
                                                             const std::string& folder,
                                                             const MambaConfig& config,
                                                             const ops::LinearFactory& make_linear);

  const LoraPair& pair(int64_t layer, Module module) const {
    return layers_[static_cast<size_t>(layer)][static_cast<size_t>(module)];
  }

  const std::string& name() const { return name_; }
  // SHA-256 of the canonical content (docs/digests.md), 64 hex digits.
  const std::string& digest() const { return digest_; }
  int32_t max_rank() const { return max_rank_; }
  int32_t modules_matched() const { return modules_matched_; }
  // Kinds of module with at least one match, sorted by name.
  const std::vector<std::string>& target_modules() const { return target_modules_; }
  int64_t trainable_parameters() const { return trainable_parameters_; }
  int64_t memory_bytes() const { return memory_bytes_; }

 private:
  Adapter() = default;

  std::string name_;
  std::string digest_;
  int32_t max_rank_ = 0;
  int32_t modules_matched_ = 0;
  std::vector<std::string> target_modules_;
  int64_t trainable_parameters_ = 0;
  int64_t memory_bytes_ = 0;
  std::vector<std::array<LoraPair, kModules>> layers_;
};

// The line that PEFT prints: "trainable params: 2,392,064 || all params: 161,698,304 ||
// trainable%: 1.4793".
std::string CoverageLine(int64_t trainable_parameters, int64_t model_parameters);

}  // namespace scanserve::model
