#include "core/model/mamba_config.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/json_field.h"

namespace scanserve::model {
namespace {

// Bounds far above any published Mamba: they keep products of sizes within 64 bits and a lying file
// from asking for all memory.
constexpr int64_t kMaxVocabulary = 1 << 22;
constexpr int64_t kMaxHidden = 1 << 16;
constexpr int64_t kMaxLayers = 1 << 10;
constexpr int64_t kMaxState = 1 << 10;
constexpr int64_t kMaxKernel = 1 << 6;

absl::Status ReadSizes(const nlohmann::json& json, MambaConfig& config) {
  struct Size {
    const char* key;
    int64_t fallback;
    int64_t most;
    int64_t* value;
  };
  // Fallbacks are those of Hugging Face's MambaConfig.
  const Size sizes[] = {{"vocab_size", 50280, kMaxVocabulary, &config.vocab_size},
                        {"hidden_size", 768, kMaxHidden, &config.hidden_size},
                        {"num_hidden_layers", 32, kMaxLayers, &config.num_layers},
                        {"state_size", 16, kMaxState, &config.state_size},
                        {"conv_kernel", 4, kMaxKernel, &config.conv_kernel}};
  for (const Size& size : sizes) {
    SCANSERVE_ASSIGN_OR_RETURN(const std::optional<int64_t> value,
                               IntField(json, size.key, 1, size.most));
    *size.value = value.value_or(size.fallback);
  }
  return absl::OkStatus();
}

absl::Status ReadTimeStepRank(const nlohmann::json& json, MambaConfig& config) {
  const auto rank = json.find("time_step_rank");
  if (rank == json.end() || rank->is_null() || *rank == "auto") {
    config.time_step_rank = (config.hidden_size + 15) / 16;
    return absl::OkStatus();
  }
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<int64_t> value,
                             IntField(json, "time_step_rank", 1, kMaxHidden));
  config.time_step_rank = *value;
  return absl::OkStatus();
}

absl::Status ReadFlags(const nlohmann::json& json, MambaConfig& config) {
  struct Flag {
    const char* key;
    bool* value;
  };
  const Flag flags[] = {{"use_bias", &config.use_bias},
                        {"use_conv_bias", &config.use_conv_bias},
                        {"tie_word_embeddings", &config.tie_word_embeddings}};
  for (const Flag& flag : flags) {
    SCANSERVE_ASSIGN_OR_RETURN(const std::optional<bool> value, BoolField(json, flag.key));
    *flag.value = value.value_or(*flag.value);
  }
  // Changes the type that the residual is kept in, and float32 is the only one here.
  return BoolField(json, "residual_in_fp32").status();
}

absl::Status RequireString(const nlohmann::json& json, const char* key, absl::string_view expected,
                           bool required) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<std::string> value, StringField(json, key));
  if (!value.has_value() && !required) return absl::OkStatus();
  if (value != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("field ", key, ": ", value.has_value() ? ShortJson(*value) : "missing",
                     ", expected \"", expected, "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MambaConfig> MambaConfig::FromJson(absl::string_view text) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(text, "config.json"));
  SCANSERVE_RETURN_IF_ERROR(RequireString(json, "model_type", "mamba", /*required=*/true));
  SCANSERVE_RETURN_IF_ERROR(RequireString(json, "hidden_act", "silu", /*required=*/false));
  MambaConfig config;
  SCANSERVE_RETURN_IF_ERROR(ReadSizes(json, config));
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<double> expand,
                             NumberField(json, "expand", 1e-3, 64));
  config.inner_size = static_cast<int64_t>(expand.value_or(2) * config.hidden_size);
  if (config.inner_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat("field expand: ", *expand, " of hidden_size ",
                                                   config.hidden_size, " leaves no channel"));
  }
  SCANSERVE_RETURN_IF_ERROR(ReadTimeStepRank(json, config));
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<double> epsilon,
                             NumberField(json, "layer_norm_epsilon", 0, 1));
  config.norm_epsilon = static_cast<float>(epsilon.value_or(1e-5));
  SCANSERVE_RETURN_IF_ERROR(ReadFlags(json, config));
  return config;
}

}  // namespace scanserve::model
