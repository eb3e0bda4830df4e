// A pinned scan setting as members of a JSON object.
#pragma once

#include "absl/status/statusor.h"
#include "core/store/active_setting.h"
#include "nlohmann/json.hpp"

namespace scanserve::store {

nlohmann::json SettingToJson(const ScanSetting& setting);
// INVALID_ARGUMENT naming the member that is missing or wrong; other members are not looked at.
absl::StatusOr<ScanSetting> SettingFromJson(const nlohmann::json& json);

}  // namespace scanserve::store
