// What adapter_config.json of a PEFT LoRA says.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>
#include "absl/strings/string_view.h"

#include "absl/status/statusor.h"
#include "core/model/mamba_config.h"
#include "core/model/module_pattern.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {

// Which modules a list of names, or one regular expression, selects.
struct ModuleSelection {
  // Whole names of modules, or their ends from a dot on.
  std::vector<std::string> names;
  std::optional<ModulePattern> pattern;

  bool stated() const { return pattern.has_value() || !names.empty(); }
  bool Contains(const std::string& module) const;
};

// The first pattern of the file that matches wins, as in PEFT.
template <typename Value>
using ValuesByPattern = std::vector<std::pair<ModulePattern, Value>>;

struct AdapterConfig {
  // Of target_modules, exclude_modules, rank_pattern and alpha_pattern each.
  static constexpr size_t kMaxEntries = 1'024;
  static constexpr size_t kMaxEntryBytes = 1'024;

  int64_t rank = 8;
  double alpha = 8;
  // Scale is alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023, arXiv:2312.03732).
  bool use_rslora = false;
  // Other ranks and alphas by module.
  ValuesByPattern<int64_t> rank_pattern;
  ValuesByPattern<double> alpha_pattern;
  ModuleSelection target_modules;
  ModuleSelection exclude_modules;
  // Not stated: all layers.
  std::optional<std::set<int64_t>> layers_to_transform;

  // INVALID_ARGUMENT names the field that this program does not apply, with its value, or whose
  // entries pass a limit: of these, or of PatternCompiler for all patterns together.
  static absl::StatusOr<AdapterConfig> FromJson(absl::string_view json);

  // Of the module with this full name, e.g. "backbone.layers.3.mixer.in_proj".
  int64_t RankOf(const std::string& module) const;
  // `module_rank`: its RankOf().
  double ScaleOf(const std::string& module, int64_t module_rank) const;
  // Whether target_modules, exclude_modules and layers_to_transform ask for the module.
  bool Targets(const std::string& module, int64_t layer) const;

  // The fields that change the result, for the digest.
  nlohmann::json CanonicalFields() const;
};

}  // namespace scanserve::model
