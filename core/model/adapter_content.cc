#include "core/model/adapter_content.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/model/adapter_config.h"
#include "core/model/checkpoint.h"
#include "core/model/content_digest.h"
#include "core/model/mixer_shapes.h"

namespace scanserve::model {
namespace {

// What a key such as "base_model.model.backbone.layers.3.mixer.in_proj.lora_A.weight" names.
struct Place {
  std::string module_name;  // "backbone.layers.3.mixer.in_proj"
  int64_t layer;
  Module module;
  bool is_a;
};

std::optional<Place> ParseKey(absl::string_view key) {
  Place place = {};
  absl::ConsumePrefix(&key, "base_model.model.");
  place.is_a = absl::ConsumeSuffix(&key, ".lora_A.weight");
  if (!place.is_a && !absl::ConsumeSuffix(&key, ".lora_B.weight")) return std::nullopt;
  place.module_name = std::string(key);
  if (!absl::ConsumePrefix(&key, "backbone.layers.")) return std::nullopt;
  const size_t dot = key.find('.');
  // Only the canonical spelling of a number, so that two keys never name one place.
  if (dot == absl::string_view::npos || !absl::SimpleAtoi(key.substr(0, dot), &place.layer) ||
      absl::StrCat(place.layer) != key.substr(0, dot)) {
    return std::nullopt;
  }
  key.remove_prefix(dot + 1);
  for (int i = 0; i < kModules; ++i) {
    place.module = static_cast<Module>(i);
    if (key == absl::StrCat("mixer.", ModuleName(place.module))) return place;
  }
  return std::nullopt;
}

struct FoundPair {
  int64_t rank = 0;  // of its module by the config
  const TensorView* a = nullptr;
  const TensorView* b = nullptr;
};
using PairMap = std::map<std::pair<int64_t, Module>, FoundPair>;

std::string FullName(int64_t layer, Module module) {
  return absl::StrCat("backbone.layers.", layer, ".mixer.", ModuleName(module));
}

absl::StatusOr<PairMap> FindPairs(const TensorMap& tensors, const AdapterConfig& adapter,
                                  const MambaConfig& config) {
  PairMap pairs;
  for (const auto& [key, tensor] : tensors) {
    const std::optional<Place> place = ParseKey(key);
    if (!place.has_value() || place->layer < 0 || place->layer >= config.num_layers) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", key, ": matches no module of this model"));
    }
    const auto [entry, is_new] = pairs.try_emplace({place->layer, place->module});
    FoundPair& pair = entry->second;
    if (is_new) {
      if (!adapter.Targets(place->module_name, place->layer)) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", key, ": adapter_config.json does not target its module"));
      }
      pair.rank = adapter.RankOf(place->module_name);
    }
    const ops::LinearShape shape = StoredShape(config, place->module);
    const std::vector<int64_t> extents = place->is_a
                                             ? std::vector<int64_t>{pair.rank, shape.in_features}
                                             : std::vector<int64_t>{shape.out_features, pair.rank};
    SCANSERVE_RETURN_IF_ERROR(CheckTensor(key, tensor, extents));
    const TensorView*& half = place->is_a ? pair.a : pair.b;
    if (half != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", key, ": another key names the same place"));
    }
    half = &tensor;
  }
  for (const auto& [place, pair] : pairs) {
    if (pair.a != nullptr && pair.b != nullptr) continue;
    return absl::InvalidArgumentError(absl::StrCat(FullName(place.first, place.second), ": no ",
                                                   pair.a == nullptr ? "lora_A" : "lora_B",
                                                   " beside the other"));
  }
  return pairs;
}

// What the config asks for must be there; FindPairs() has seen to the other direction.
absl::Status CheckComplete(const PairMap& pairs, const AdapterConfig& adapter,
                           const MambaConfig& config) {
  if (pairs.empty()) return absl::InvalidArgumentError("the adapter changes no module");
  if (!adapter.target_modules.stated()) return absl::OkStatus();
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (int i = 0; i < kModules; ++i) {
      const auto module = static_cast<Module>(i);
      const std::string name = FullName(layer, module);
      if (adapter.Targets(name, layer) && !pairs.contains({layer, module})) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, ": targeted by adapter_config.json, but has no tensors"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AdapterFiles> AdapterFiles::Read(const std::string& folder) {
  AdapterFiles files;
  SCANSERVE_ASSIGN_OR_RETURN(
      files.config, base::ReadFile(absl::StrCat(folder, "/", kConfigName), kMaxConfigBytes));
  SCANSERVE_ASSIGN_OR_RETURN(
      files.tensors, base::ReadFile(absl::StrCat(folder, "/", kTensorsName), kMaxTensorsBytes));
  return files;
}

absl::StatusOr<std::unique_ptr<const AdapterContent>> AdapterContent::Parse(
    AdapterFiles files, const MambaConfig& config) {
  std::unique_ptr<AdapterContent> content(new AdapterContent(std::move(files)));
  const absl::StatusOr<AdapterConfig> adapter = AdapterConfig::FromJson(content->files_.config);
  if (!adapter.ok()) return base::InFile(AdapterFiles::kConfigName, adapter.status());
  if (const absl::Status taken = content->TakeTensors(*adapter, config); !taken.ok()) {
    return base::InFile(AdapterFiles::kTensorsName, taken);
  }
  return std::unique_ptr<const AdapterContent>(std::move(content));
}

absl::Status AdapterContent::TakeTensors(const AdapterConfig& adapter, const MambaConfig& config) {
  SCANSERVE_ASSIGN_OR_RETURN(
      tensors_, ParseSafetensors(
                    absl::MakeConstSpan(reinterpret_cast<const std::byte*>(files_.tensors.data()),
                                        files_.tensors.size()),
                    AdapterFiles::kMaxHeaderBytes));
  SCANSERVE_ASSIGN_OR_RETURN(const PairMap found, FindPairs(tensors_, adapter, config));
  SCANSERVE_RETURN_IF_ERROR(CheckComplete(found, adapter, config));
  digest_ = ContentDigest("scanserve.adapter.v1", adapter.CanonicalFields(), tensors_);
  for (const auto& [place, pair] : found) {
    const auto& [layer, module] = place;
    pairs_.push_back(
        {layer, module, pair.a, pair.b, adapter.ScaleOf(FullName(layer, module), pair.rank)});
  }
  return absl::OkStatus();
}

}  // namespace scanserve::model
