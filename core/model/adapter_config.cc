#include "core/model/adapter_config.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/json_field.h"
#include "core/model/json_shape.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMaxRank = 256;
constexpr int64_t kMaxLayer = 1 << 20;
constexpr double kMaxAlpha = 1e6;
// Of all objects of the file: what rank_pattern and alpha_pattern may have, and as many again.
constexpr int64_t kMaxMembers = 4 * AdapterConfig::kMaxEntries;

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

absl::Status CheckEntries(const char* field, size_t entries) {
  if (entries <= AdapterConfig::kMaxEntries) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "field ", field, ": ", entries, " entries, expected up to ", AdapterConfig::kMaxEntries));
}

absl::Status CheckEntry(const char* field, const std::string& entry) {
  if (entry.size() <= AdapterConfig::kMaxEntryBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("field ", field, ": ", ShortJson(entry), ": ",
                                                 entry.size(), " bytes, expected up to ",
                                                 AdapterConfig::kMaxEntryBytes));
}

absl::Status ReadModules(const nlohmann::json& json, const char* field, PatternCompiler& compiler,
                         ModuleSelection& modules) {
  const auto found = json.find(field);
  if (found == json.end() || found->is_null()) return absl::OkStatus();
  if (found->is_string()) {
    const auto& pattern = found->get_ref<const std::string&>();
    SCANSERVE_RETURN_IF_ERROR(CheckEntry(field, pattern));
    SCANSERVE_ASSIGN_OR_RETURN(modules.pattern,
                               compiler.Compile(field, pattern, ModulePattern::Part::kWhole));
    return absl::OkStatus();
  }
  if (!found->is_array()) return Refused(field, *found);
  SCANSERVE_RETURN_IF_ERROR(CheckEntries(field, found->size()));
  for (const nlohmann::json& name : *found) {
    if (!name.is_string()) return Refused(field, *found);
    modules.names.push_back(name.get<std::string>());
    SCANSERVE_RETURN_IF_ERROR(CheckEntry(field, modules.names.back()));
  }
  return absl::OkStatus();
}

// nlohmann's ordered objects look a key up in time that grows with their members.
absl::StatusOr<nlohmann::ordered_json> ParseInFileOrder(absl::string_view text) {
  const int64_t members = ReadJsonShape(text).members;
  if (members > kMaxMembers) {
    return absl::InvalidArgumentError(
        absl::StrCat(members, " fields and entries, expected up to ", kMaxMembers));
  }
  return nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
}

template <typename Value>
absl::Status ReadPattern(const nlohmann::ordered_json& json, const char* field,
                         PatternCompiler& compiler, ValuesByPattern<Value>& values) {
  const auto found = json.find(field);
  if (found == json.end() || found->is_null()) return absl::OkStatus();
  if (!found->is_object()) return Refused(field, *found);
  for (const auto& [key, value] : found->items()) {
    SCANSERVE_RETURN_IF_ERROR(CheckEntry(field, key));
    SCANSERVE_ASSIGN_OR_RETURN(ModulePattern pattern,
                               compiler.Compile(field, key, ModulePattern::Part::kEnd));
    const double most = std::is_integral_v<Value> ? kMaxRank : kMaxAlpha;
    const bool valid =
        (std::is_integral_v<Value> ? value.is_number_integer() : value.is_number()) &&
        value.template get<double>() > 0 && value.template get<double>() <= most;
    if (!valid) {
      return absl::InvalidArgumentError(absl::StrCat("field ", field, ": ", ShortJson(key), ": ",
                                                     ShortJson(value), ", expected up to ", most));
    }
    values.emplace_back(std::move(pattern), value.template get<Value>());
  }
  return absl::OkStatus();
}

absl::Status ReadPatterns(const nlohmann::json& json, absl::string_view text,
                          PatternCompiler& compiler, AdapterConfig& config) {
  for (const char* field : {"rank_pattern", "alpha_pattern"}) {
    if (const auto found = json.find(field); found != json.end() && found->is_object()) {
      SCANSERVE_RETURN_IF_ERROR(CheckEntries(field, found->size()));
    }
  }
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::ordered_json in_file_order, ParseInFileOrder(text));
  SCANSERVE_RETURN_IF_ERROR(
      ReadPattern(in_file_order, "rank_pattern", compiler, config.rank_pattern));
  return ReadPattern(in_file_order, "alpha_pattern", compiler, config.alpha_pattern);
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

template <typename Value>
const Value* FindValue(const ValuesByPattern<Value>& values, const std::string& module) {
  for (const auto& [pattern, value] : values) {
    if (pattern.Matches(module)) return &value;
  }
  return nullptr;
}

template <typename Value>
nlohmann::json InFileOrder(const ValuesByPattern<Value>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [pattern, value] : values) {
    list.push_back(nlohmann::json::array({pattern.text(), value}));
  }
  return list;
}

}  // namespace

bool ModuleSelection::Contains(const std::string& module) const {
  if (pattern.has_value()) return pattern->Matches(module);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return module == name || absl::EndsWith(module, "." + name);
  });
}

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
  PatternCompiler compiler;
  SCANSERVE_RETURN_IF_ERROR(ReadPatterns(json, text, compiler, config));
  SCANSERVE_RETURN_IF_ERROR(ReadModules(json, "target_modules", compiler, config.target_modules));
  SCANSERVE_RETURN_IF_ERROR(ReadModules(json, "exclude_modules", compiler, config.exclude_modules));
  SCANSERVE_RETURN_IF_ERROR(ReadLayers(json, config.layers_to_transform));
  return config;
}

int64_t AdapterConfig::RankOf(const std::string& module) const {
  const int64_t* found = FindValue(rank_pattern, module);
  return found != nullptr ? *found : rank;
}

double AdapterConfig::ScaleOf(const std::string& module, int64_t module_rank) const {
  const double* found = FindValue(alpha_pattern, module);
  const double module_alpha = found != nullptr ? *found : alpha;
  const auto divisor = static_cast<double>(module_rank);
  return module_alpha / (use_rslora ? std::sqrt(divisor) : divisor);
}

bool AdapterConfig::Targets(const std::string& module, int64_t layer) const {
  if (exclude_modules.stated() && exclude_modules.Contains(module)) return false;
  if (target_modules.stated() && !target_modules.Contains(module)) return false;
  return !layers_to_transform.has_value() || target_modules.pattern.has_value() ||
         layers_to_transform->contains(layer);
}

nlohmann::json AdapterConfig::CanonicalFields() const {
  return {{"r", rank},
          {"lora_alpha", alpha},
          {"use_rslora", use_rslora},
          {"rank_pattern", InFileOrder(rank_pattern)},
          {"alpha_pattern", InFileOrder(alpha_pattern)}};
}

}  // namespace scanserve::model
