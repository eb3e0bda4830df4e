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
#include "nlohmann/json.hpp"

namespace scanserve::model {

struct AdapterConfig {
  int64_t rank = 8;
  double alpha = 8;
  // Scale is alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023, arXiv:2312.03732).
  bool use_rslora = false;
  // Other ranks and alphas by module: regular expressions for the end of a module's name, from a
  // dot on or whole. As in PEFT the first in the file that matches wins.
  std::vector<std::pair<std::string, int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  // Empty: not stated. A single entry with `target_is_pattern` is a regular expression.
  std::vector<std::string> target_modules;
  bool target_is_pattern = false;
  std::vector<std::string> exclude_modules;
  bool exclude_is_pattern = false;
  // Not stated: all layers.
  std::optional<std::set<int64_t>> layers_to_transform;

  // INVALID_ARGUMENT names the field that this program does not apply, with its value.
  static absl::StatusOr<AdapterConfig> FromJson(absl::string_view json);

  // Of the module with this full name, e.g. "backbone.layers.3.mixer.in_proj".
  int64_t RankOf(const std::string& module) const;
  double ScaleOf(const std::string& module) const;
  // Whether target_modules, exclude_modules and layers_to_transform ask for the module.
  bool Targets(const std::string& module, int64_t layer) const;

  // The fields that change the result, for the digest.
  nlohmann::json CanonicalFields() const;
};

}  // namespace scanserve::model
