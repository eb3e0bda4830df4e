#include "core/model/adapter_config.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/json_field.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMaxRank = 256;
constexpr int64_t kMaxLayer = 1 << 20;
constexpr double kMaxAlpha = 1e6;

// Read below.
constexpr const char* kHandled[] = {"peft_type",           "r",
                                    "lora_alpha",          "use_rslora",
                                    "rank_pattern",        "alpha_pattern",
                                    "target_modules",      "exclude_modules",
                                    "layers_pattern",      "bias",
                                    "layers_to_transform", "init_lora_weights"};
// Of no consequence for inference.
constexpr const char* kHarmless[] = {
    "task_type",      "auto_mapping", "peft_version",     "base_model_name_or_path",
    "revision",       "lora_dropout", "megatron_core",    "runtime_config",
    "inference_mode", "eva_config",   "qalora_group_size"};

bool IsOneOf(absl::Span<const char* const> names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status Refused(const std::string& field, const nlohmann::json& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("field ", field, ": ", ShortJson(value), " is not supported"));
}

// PEFT's defaults of all other fields, known or to come, are null, false or empty.
absl::Status RefuseUnknown(const nlohmann::json& json) {
  for (const auto& [field, value] : json.items()) {
    if (IsOneOf(kHandled, field) || IsOneOf(kHarmless, field)) continue;
    const bool is_default = value.is_null() || value == false ||
                            ((value.is_object() || value.is_array()) && value.empty());
    if (!is_default) return Refused(field, value);
  }
  return absl::OkStatus();
}

// Fields with another default than null, false or empty, and those with a list of accepted words.
absl::Status CheckWords(const nlohmann::json& json) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto type, StringField(json, "peft_type"));
  if (type != "LORA") {
    return Refused("peft_type", json.contains("peft_type") ? json["peft_type"] : nullptr);
  }
  SCANSERVE_ASSIGN_OR_RETURN(const auto bias, StringField(json, "bias"));
  if (bias.value_or("none") != "none") return Refused("bias", *bias);
  if (const auto init = json.find("init_lora_weights"); init != json.end()) {
    if (!init->is_boolean() && *init != "gaussian" && *init != "eva") {
      return Refused("init_lora_weights", *init);
    }
  }
  if (const auto pattern = json.find("layers_pattern"); pattern != json.end()) {
    const bool accepted = pattern->is_null() || (pattern->is_array() && pattern->empty()) ||
                          *pattern == "layers" || *pattern == nlohmann::json::array({"layers"});
    if (!accepted) return Refused("layers_pattern", *pattern);
  }
  return absl::OkStatus();
}

absl::Status CheckPattern(const char* field, const std::string& pattern) {
  const RE2 compiled(pattern, RE2::Quiet);
  if (compiled.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("field ", field, ": ", ShortJson(pattern),
                   " is not a regular expression: ", compiled.error()));
}

absl::Status ReadModules(const nlohmann::json& json, const char* field,
                         std::vector<std::string>& modules, bool& is_pattern) {
  const auto found = json.find(field);
  if (found == json.end() || found->is_null()) return absl::OkStatus();
  if (found->is_string()) {
    is_pattern = true;
    modules = {found->get<std::string>()};
    return CheckPattern(field, modules[0]);
  }
  if (!found->is_array()) return Refused(field, *found);
  for (const nlohmann::json& name : *found) {
    if (!name.is_string()) return Refused(field, *found);
    modules.push_back(name.get<std::string>());
  }
  std::sort(modules.begin(), modules.end());
  return absl::OkStatus();
}

template <typename Value>
absl::Status ReadPattern(const nlohmann::ordered_json& json, const char* field,
                         std::vector<std::pair<std::string, Value>>& pattern) {
  const auto found = json.find(field);
  if (found == json.end() || found->is_null()) return absl::OkStatus();
  if (!found->is_object()) return Refused(field, *found);
  for (const auto& [key, value] : found->items()) {
    SCANSERVE_RETURN_IF_ERROR(CheckPattern(field, key));
    const double most = std::is_integral_v<Value> ? kMaxRank : kMaxAlpha;
    const bool valid =
        (std::is_integral_v<Value> ? value.is_number_integer() : value.is_number()) &&
        value.template get<double>() > 0 && value.template get<double>() <= most;
    if (!valid) {
      return absl::InvalidArgumentError(absl::StrCat("field ", field, ": ", ShortJson(key), ": ",
                                                     ShortJson(value), ", expected up to ", most));
    }
    pattern.emplace_back(key, value.template get<Value>());
  }
  return absl::OkStatus();
}

absl::Status ReadLayers(const nlohmann::json& json, std::optional<std::set<int64_t>>& layers) {
  const auto found = json.find("layers_to_transform");
  if (found == json.end() || found->is_null()) return absl::OkStatus();
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<int32_t> list,
                             IdListField(json, "layers_to_transform", kMaxLayer));
  // To PEFT an empty list is no restriction.
  if (!list.empty()) layers.emplace(list.begin(), list.end());
  return absl::OkStatus();
}

// A pattern's key matches a module whose name ends in it, at a dot.
template <typename Value>
const Value* FindPattern(const std::vector<std::pair<std::string, Value>>& pattern,
                         const std::string& module) {
  for (const auto& [key, value] : pattern) {
    if (RE2::FullMatch(module, absl::StrCat("(.*\\.)?(", key, ")"))) return &value;
  }
  return nullptr;
}

bool Matches(const std::vector<std::string>& names, bool is_pattern, const std::string& module) {
  if (is_pattern) return RE2::FullMatch(module, names[0]);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return module == name || absl::EndsWith(module, "." + name);
  });
}

}  // namespace

absl::StatusOr<AdapterConfig> AdapterConfig::FromJson(absl::string_view text) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json,
                             ParseJsonObject(text, "adapter_config.json"));
  SCANSERVE_RETURN_IF_ERROR(CheckWords(json));
  SCANSERVE_RETURN_IF_ERROR(RefuseUnknown(json));
  AdapterConfig config;
  SCANSERVE_ASSIGN_OR_RETURN(const auto rank, IntField(json, "r", 1, kMaxRank));
  config.rank = rank.value_or(config.rank);
  SCANSERVE_ASSIGN_OR_RETURN(const auto alpha, NumberField(json, "lora_alpha", 0, kMaxAlpha));
  config.alpha = alpha.value_or(config.alpha);
  SCANSERVE_ASSIGN_OR_RETURN(const auto rslora, BoolField(json, "use_rslora"));
  config.use_rslora = rslora.value_or(false);
  const auto in_file_order =
      nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  SCANSERVE_RETURN_IF_ERROR(ReadPattern(in_file_order, "rank_pattern", config.rank_pattern));
  SCANSERVE_RETURN_IF_ERROR(ReadPattern(in_file_order, "alpha_pattern", config.alpha_pattern));
  SCANSERVE_RETURN_IF_ERROR(
      ReadModules(json, "target_modules", config.target_modules, config.target_is_pattern));
  SCANSERVE_RETURN_IF_ERROR(
      ReadModules(json, "exclude_modules", config.exclude_modules, config.exclude_is_pattern));
  SCANSERVE_RETURN_IF_ERROR(ReadLayers(json, config.layers_to_transform));
  return config;
}

int64_t AdapterConfig::RankOf(const std::string& module) const {
  const int64_t* found = FindPattern(rank_pattern, module);
  return found != nullptr ? *found : rank;
}

double AdapterConfig::ScaleOf(const std::string& module) const {
  const double* found = FindPattern(alpha_pattern, module);
  const double module_alpha = found != nullptr ? *found : alpha;
  const auto module_rank = static_cast<double>(RankOf(module));
  return module_alpha / (use_rslora ? std::sqrt(module_rank) : module_rank);
}

bool AdapterConfig::Targets(const std::string& module, int64_t layer) const {
  if (!exclude_modules.empty() && Matches(exclude_modules, exclude_is_pattern, module))
    return false;
  if (!target_modules.empty() && !Matches(target_modules, target_is_pattern, module)) return false;
  return !layers_to_transform.has_value() || target_is_pattern ||
         layers_to_transform->contains(layer);
}

nlohmann::json AdapterConfig::CanonicalFields() const {
  return {{"r", rank},
          {"lora_alpha", alpha},
          {"use_rslora", use_rslora},
          {"rank_pattern", rank_pattern},
          {"alpha_pattern", alpha_pattern}};
}

}  // namespace scanserve::model
