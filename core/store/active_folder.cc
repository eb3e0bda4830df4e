#include "core/store/active_folder.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/order/json_field.h"
#include "core/store/folder_listing.h"
#include "core/store/sealed_json.h"
#include "core/store/setting_json.h"
#include "nlohmann/json.hpp"

namespace scanserve::store {
namespace {

constexpr int64_t kMaxFileBytes = 16 << 20;
constexpr absl::string_view kSuffix = ".json";

nlohmann::json ToJson(const ActiveSetting& active) {
  nlohmann::json json = SettingToJson(active.setting);
  json["revision"] = active.revision;
  json["activated"] = order::JsonTime(active.activated);
  return json;
}

absl::StatusOr<ActiveSetting> FromJson(const nlohmann::json& json) {
  ActiveSetting active;
  SCANSERVE_ASSIGN_OR_RETURN(active.setting, SettingFromJson(json));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "revision", active.revision));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "activated", active.activated));
  return active;
}

absl::StatusOr<std::vector<ActiveSetting>> ParseHistory(absl::string_view text,
                                                        absl::string_view model_digest) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json, ParseSealed(text));
  std::string digest;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "model_digest", digest));
  if (digest != model_digest) return order::JsonFieldError("model_digest", "that of its name");
  const auto settings = json.find("settings");
  if (settings == json.end() || !settings->is_array() || settings->empty()) {
    return order::JsonFieldError("settings", "a list of at least one");
  }
  std::vector<ActiveSetting> history;
  int64_t last_revision = -1;  // the first entry may be the one before any activation
  for (const nlohmann::json& entry : *settings) {
    SCANSERVE_ASSIGN_OR_RETURN(ActiveSetting active, FromJson(entry));
    if (active.revision <= last_revision) {
      return order::JsonFieldError("revision", "one larger than the entry's before");
    }
    last_revision = active.revision;
    history.push_back(std::move(active));
  }
  return history;
}

}  // namespace

absl::StatusOr<ActiveHistories> ActiveFolder::ReadAll(std::vector<std::string>& warnings) const {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder_));
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFolder(folder_));
  ActiveHistories histories;
  for (const std::string& file : files) {
    const std::string path = absl::StrCat(folder_, "/", file);
    const std::string digest = file.substr(0, file.size() - std::min(file.size(), kSuffix.size()));
    if (absl::EndsWith(file, base::kTemporarySuffix)) {
      SCANSERVE_RETURN_IF_ERROR(RemoveAll(path));
      continue;
    }
    if (!absl::EndsWith(file, kSuffix) || !IsDigest(digest)) {
      warnings.push_back(absl::StrCat(path, " is no model's file: left alone"));
      continue;
    }
    SCANSERVE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxFileBytes));
    absl::StatusOr<std::vector<ActiveSetting>> history = ParseHistory(text, digest);
    if (!history.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("active setting ", path, " is damaged: ", history.status().message()));
    }
    histories.emplace(digest, *std::move(history));
  }
  return histories;
}

absl::Status ActiveFolder::Write(absl::string_view model_digest,
                                 const std::vector<ActiveSetting>& history) const {
  nlohmann::json settings = nlohmann::json::array();
  for (const ActiveSetting& active : history) settings.push_back(ToJson(active));
  return base::WriteFileDurably(
      absl::StrCat(folder_, "/", model_digest, kSuffix),
      SealedText({{"model_digest", std::string(model_digest)}, {"settings", std::move(settings)}}));
}

}  // namespace scanserve::store
