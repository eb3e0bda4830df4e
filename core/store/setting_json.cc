#include "core/store/setting_json.h"

#include <string>
#include <vector>

#include "core/base/status_macros.h"
#include "core/order/json_field.h"

namespace scanserve::store {
namespace {

constexpr absl::string_view kNaturalLast = "natural_last";
constexpr absl::string_view kPinLast = "pin_last";

absl::Status ReadReadout(const nlohmann::json& json, order::Readout& readout) {
  std::string text;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "readout", text));
  if (text != kNaturalLast && text != kPinLast) {
    return order::JsonFieldError("readout", "natural_last or pin_last");
  }
  readout = text == kPinLast ? order::Readout::kPinLast : order::Readout::kNaturalLast;
  return absl::OkStatus();
}

absl::Status ReadTargetLayers(const nlohmann::json& json, std::vector<int32_t>& layers) {
  const auto found = json.find("target_layers");
  if (found == json.end() || !found->is_array()) {
    return order::JsonFieldError("target_layers", "a list");
  }
  for (const nlohmann::json& layer : *found) {
    if (!layer.is_number_unsigned() || layer.get<uint64_t>() > kMaxTargetLayer) {
      return order::JsonFieldError("target_layers", "layer numbers");
    }
    layers.push_back(layer.get<int32_t>());
  }
  return absl::OkStatus();
}

}  // namespace

nlohmann::json SettingToJson(const ScanSetting& setting) {
  const bool pinned = setting.readout == order::Readout::kPinLast;
  return {{"order_name", setting.order_name},
          {"order_version", setting.order_version},
          {"order_digest", setting.order_digest},
          {"target_layers", setting.target_layers},
          {"readout", std::string(pinned ? kPinLast : kNaturalLast)}};
}

absl::StatusOr<ScanSetting> SettingFromJson(const nlohmann::json& json) {
  ScanSetting setting;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "order_name", setting.order_name));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "order_version", setting.order_version));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "order_digest", setting.order_digest));
  SCANSERVE_RETURN_IF_ERROR(ReadTargetLayers(json, setting.target_layers));
  SCANSERVE_RETURN_IF_ERROR(ReadReadout(json, setting.readout));
  return setting;
}

}  // namespace scanserve::store
