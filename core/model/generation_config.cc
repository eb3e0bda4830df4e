#include "core/model/generation_config.h"

#include <limits>

#include "core/base/status_macros.h"
#include "core/model/json_field.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

absl::Status ReadFloat(const nlohmann::json& json, const char* key, double least, double most,
                       std::optional<float>& value) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<double> number,
                             NumberField(json, key, least, most));
  if (number.has_value()) value = static_cast<float>(*number);
  return absl::OkStatus();
}

absl::Status ReadInt(const nlohmann::json& json, const char* key, int64_t least,
                     std::optional<int32_t>& value) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<int64_t> number,
                             IntField(json, key, least, kMaxId));
  if (number.has_value()) value = static_cast<int32_t>(*number);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GenerationConfig> GenerationConfig::FromJson(absl::string_view text) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json,
                             ParseJsonObject(text, "generation_config.json"));
  GenerationConfig config;
  SCANSERVE_ASSIGN_OR_RETURN(config.do_sample, BoolField(json, "do_sample"));
  SCANSERVE_RETURN_IF_ERROR(ReadFloat(json, "temperature", 0, 100, config.temperature));
  SCANSERVE_RETURN_IF_ERROR(ReadFloat(json, "top_p", 0, 1, config.top_p));
  SCANSERVE_RETURN_IF_ERROR(ReadFloat(json, "min_p", 0, 1, config.min_p));
  SCANSERVE_RETURN_IF_ERROR(
      ReadFloat(json, "repetition_penalty", 1e-3, 1e3, config.repetition_penalty));
  SCANSERVE_RETURN_IF_ERROR(ReadInt(json, "top_k", 0, config.top_k));
  SCANSERVE_RETURN_IF_ERROR(ReadInt(json, "max_new_tokens", 1, config.max_new_tokens));
  SCANSERVE_ASSIGN_OR_RETURN(config.eos_token_ids, IdListField(json, "eos_token_id", kMaxId));
  SCANSERVE_ASSIGN_OR_RETURN(config.suppress_tokens, IdListField(json, "suppress_tokens", kMaxId));
  return config;
}

}  // namespace scanserve::model
