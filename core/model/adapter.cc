#include "core/model/adapter.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/model/adapter_config.h"
#include "core/model/checkpoint.h"
#include "core/model/content_digest.h"
#include "core/model/mixer_shapes.h"
#include "core/model/safetensors.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;
constexpr int64_t kMaxTensorBytes = int64_t{256} << 20;

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
    if (!adapter.Targets(place->module_name, place->layer)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", key, ": adapter_config.json does not target its module"));
    }
    const int64_t rank = adapter.RankOf(place->module_name);
    const ops::LinearShape shape = StoredShape(config, place->module);
    const std::vector<int64_t> extents = place->is_a
                                             ? std::vector<int64_t>{rank, shape.in_features}
                                             : std::vector<int64_t>{shape.out_features, rank};
    SCANSERVE_RETURN_IF_ERROR(CheckTensor(key, tensor, extents));
    FoundPair& pair = pairs[{place->layer, place->module}];
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
  if (adapter.target_modules.empty()) return absl::OkStatus();
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

LoraPair MakePair(const FoundPair& found, const MambaConfig& config, Module module, double scale,
                  const ops::LinearFactory& make_linear) {
  const ops::LinearShape stored = StoredShape(config, module);
  const ops::LinearShape computed = ComputedShape(config, module);
  const int64_t rank = found.a->shape[0];
  LoraPair pair;
  pair.a = make_linear(
      {rank, computed.in_features},
      [&](int64_t n, float* row) {
        std::fill(row, row + computed.in_features, 0.0F);
        WidenToFloat(*found.a, n * stored.in_features, stored.in_features, row);
      },
      nullptr);
  pair.b = make_linear(
      {computed.out_features, rank},
      [&](int64_t n, float* row) {
        std::fill(row, row + rank, 0.0F);
        const int64_t source = StoredRow(config, module, n);
        if (source < 0) return;
        WidenToFloat(*found.b, source * rank, rank, row);
        for (int64_t i = 0; i < rank; ++i) row[i] *= static_cast<float>(scale);
      },
      nullptr);
  return pair;
}

std::string Grouped(int64_t value) {
  std::string digits = absl::StrCat(value);
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(static_cast<size_t>(i), ",");
  }
  return digits;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Adapter>> Adapter::Load(
    const std::string& name, const std::string& folder, const MambaConfig& config,
    const ops::LinearFactory& make_linear) {
  const std::string config_path = absl::StrCat(folder, "/adapter_config.json");
  SCANSERVE_ASSIGN_OR_RETURN(const std::string config_text,
                             base::ReadFile(config_path, kMaxConfigBytes));
  const absl::StatusOr<AdapterConfig> read = AdapterConfig::FromJson(config_text);
  if (!read.ok()) return base::InFile(config_path, read.status());
  const std::string tensor_path = absl::StrCat(folder, "/adapter_model.safetensors");
  SCANSERVE_ASSIGN_OR_RETURN(const std::string bytes, base::ReadFile(tensor_path, kMaxTensorBytes));
  const auto tensors = ParseSafetensors(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
  if (!tensors.ok()) return base::InFile(tensor_path, tensors.status());
  const auto pairs = FindPairs(*tensors, *read, config);
  if (!pairs.ok()) return base::InFile(tensor_path, pairs.status());
  if (const absl::Status complete = CheckComplete(*pairs, *read, config); !complete.ok()) {
    return base::InFile(tensor_path, complete);
  }

  std::shared_ptr<Adapter> adapter(new Adapter);
  adapter->name_ = name;
  adapter->digest_ = ContentDigest("scanserve.adapter.v1", read->CanonicalFields(), *tensors);
  adapter->layers_.resize(static_cast<size_t>(config.num_layers));
  std::set<std::string> kinds;
  for (const auto& [place, found] : *pairs) {
    const auto& [layer, module] = place;
    LoraPair& pair = adapter->layers_[static_cast<size_t>(layer)][static_cast<size_t>(module)];
    pair = MakePair(found, config, module, read->ScaleOf(FullName(layer, module)), make_linear);
    adapter->max_rank_ = std::max(adapter->max_rank_, static_cast<int32_t>(found.a->shape[0]));
    adapter->trainable_parameters_ += found.a->size() + found.b->size();
    adapter->memory_bytes_ += pair.a->weight_bytes() + pair.b->weight_bytes();
    kinds.insert(ModuleName(module));
  }
  adapter->modules_matched_ = static_cast<int32_t>(pairs->size());
  adapter->target_modules_.assign(kinds.begin(), kinds.end());
  return std::shared_ptr<const Adapter>(std::move(adapter));
}

std::string CoverageLine(int64_t trainable_parameters, int64_t model_parameters) {
  const int64_t all = model_parameters + trainable_parameters;
  return absl::StrFormat(
      "trainable params: %s || all params: %s || trainable%%: %.4f", Grouped(trainable_parameters),
      Grouped(all), 100.0 * static_cast<double>(trainable_parameters) / static_cast<double>(all));
}

}  // namespace scanserve::model
