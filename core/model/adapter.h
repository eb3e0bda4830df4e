// A LoRA adapter in PEFT's format, ready to run with one model. Immutable and thread-safe.
//
// The result of a module with an adapter is that of the merged weight W + scale B A (Hu et al.
// 2021, arXiv:2106.09685). It is computed as W x + (scale B) (A x), which shares W x with all other
// rows of a batch, or, by a merged adapter, from a copy of that weight of its own.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/adapter_content.h"
#include "core/model/mamba_config.h"
#include "core/model/mixer_module.h"
#include "core/ops/linear.h"

namespace scanserve::model {

class Mamba;

// One module's pair of small products; null where the adapter leaves the module alone.
struct LoraPair {
  std::unique_ptr<ops::Linear> a;  // [rank, in_features]
  std::unique_ptr<ops::Linear> b;  // [out_features, rank], scale folded in
};

class Adapter {
 public:
  // `content` was checked against `config`.
  static std::shared_ptr<const Adapter> Create(std::string name, int64_t version,
                                               const AdapterContent& content,
                                               const MambaConfig& config,
                                               const ops::LinearFactory& make_linear);
  // Version 1 of `name`, from the two files of `folder`. Errors of AdapterFiles::Read and
  // AdapterContent::Parse, naming the folder.
  static absl::StatusOr<std::shared_ptr<const Adapter>> Load(const std::string& name,
                                                             const std::string& folder,
                                                             const MambaConfig& config,
                                                             const ops::LinearFactory& make_linear);

  // The same adapter, merged: instead of pairs it holds W + scale B A of every module that it
  // changes, with W from `network`, whose config it was made for. A row then costs what a row of
  // the base model costs, but shares its products with rows of this adapter alone, and the memory
  // is that of those weights: worth it where one adapter takes all traffic.
  std::shared_ptr<const Adapter> Merge(const Mamba& network,
                                       const ops::LinearFactory& make_linear) const;

  // Nulls for a merged adapter.
  const LoraPair& pair(int64_t layer, Module module) const { return at(layer, module).pair; }
  // Null unless the adapter is merged and changes the module.
  const ops::Linear* merged_product(int64_t layer, Module module) const {
    return at(layer, module).merged.get();
  }

  const std::string& name() const { return facts_.name; }
  // 1, 2, ..
  int64_t version() const { return facts_.version; }
  // SHA-256 of the canonical content (docs/digests.md), 64 hex digits; the same when merged, though
  // results differ in their last bits.
  const std::string& digest() const { return facts_.digest; }
  bool merged() const { return merged_; }
  int32_t max_rank() const { return facts_.max_rank; }
  int32_t modules_matched() const { return facts_.modules_matched; }
  // Kinds of module with at least one match, sorted by name.
  const std::vector<std::string>& target_modules() const { return facts_.target_modules; }
  int64_t trainable_parameters() const { return facts_.trainable_parameters; }
  int64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Facts {
    std::string name;
    int64_t version = 0;
    std::string digest;
    int32_t max_rank = 0;
    int32_t modules_matched = 0;
    std::vector<std::string> target_modules;
    int64_t trainable_parameters = 0;
  };
  struct AdaptedModule {
    LoraPair pair;
    std::unique_ptr<ops::Linear> merged;
  };

  explicit Adapter(const MambaConfig& config) : layers_(static_cast<size_t>(config.num_layers)) {}

  const AdaptedModule& at(int64_t layer, Module module) const {
    return layers_[static_cast<size_t>(layer)][static_cast<size_t>(module)];
  }

  Facts facts_;
  bool merged_ = false;
  int64_t memory_bytes_ = 0;
  std::vector<std::array<AdaptedModule, kModules>> layers_;
};

// The line that PEFT prints: "trainable params: 2,392,064 || all params: 161,698,304 ||
// trainable%: 1.4793".
std::string CoverageLine(int64_t trainable_parameters, int64_t model_parameters);

}  // namespace scanserve::model
