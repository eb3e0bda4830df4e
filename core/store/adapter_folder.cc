#include "core/store/adapter_folder.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"
#include "core/order/json_field.h"
#include "core/store/folder_listing.h"
#include "core/store/order_record.h"
#include "core/store/sealed_json.h"
#include "nlohmann/json.hpp"

namespace scanserve::store {
namespace {

constexpr absl::string_view kSidecarSuffix = ".json";
constexpr absl::string_view kConfig = "/adapter_config.json";
constexpr absl::string_view kTensors = "/adapter_model.safetensors";
constexpr int64_t kMaxSidecarBytes = 1 << 16;

using State = StoredAdapter::State;

std::string SidecarText(const StoredAdapter& adapter) {
  const AdapterRecord& record = adapter.record;
  return SealedText({{"name", record.name},
                     {"version", record.version},
                     {"digest", record.digest},
                     {"model_digest", record.model_digest},
                     {"served", record.merged ? "merged" : "unmerged"},
                     {"created", order::JsonTime(record.created)},
                     {"config_sha256", adapter.config_sha256},
                     {"tensors_sha256", adapter.tensors_sha256},
                     {"bytes", adapter.bytes}});
}

// Stands in place of the sidecar once the version is deleted.
std::string TombstoneText() { return SealedText({{"deleted", true}}); }

absl::Status ReadDigest(const nlohmann::json& json, const char* name, std::string& digest) {
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, name, digest));
  return IsDigest(digest) ? absl::OkStatus() : order::JsonFieldError(name, "64 hex digits");
}

absl::StatusOr<StoredAdapter> ParseSidecar(absl::string_view text) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json, ParseSealed(text));
  StoredAdapter adapter;
  if (json.contains("deleted")) {
    adapter.state = State::kDeleted;
    return adapter;
  }
  AdapterRecord& record = adapter.record;
  std::string served;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "name", record.name));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "version", record.version));
  SCANSERVE_RETURN_IF_ERROR(ReadDigest(json, "digest", record.digest));
  SCANSERVE_RETURN_IF_ERROR(ReadDigest(json, "model_digest", record.model_digest));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "served", served));
  if (served != "merged" && served != "unmerged") {
    return order::JsonFieldError("served", "merged or unmerged");
  }
  record.merged = served == "merged";
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "created", record.created));
  SCANSERVE_RETURN_IF_ERROR(ReadDigest(json, "config_sha256", adapter.config_sha256));
  SCANSERVE_RETURN_IF_ERROR(ReadDigest(json, "tensors_sha256", adapter.tensors_sha256));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "bytes", adapter.bytes));
  return adapter;
}

// Whether an interrupted change left `file`: a version begins with its sidecar, written last, and
// ends with its tombstone, written first.
bool IsLeftover(absl::string_view file, const AdapterVersions& versions) {
  if (absl::EndsWith(file, base::kTemporarySuffix)) return true;
  const int64_t version = VersionOf(file, "");
  if (version == 0) return false;
  const auto found = versions.find(version);
  return found == versions.end() || found->second.state == State::kDeleted;
}

int64_t FileSize(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  return error ? -1 : static_cast<int64_t>(size);
}

}  // namespace

std::string Described(const AdapterRecord& record) {
  return absl::StrCat("adapter ", record.name, " version ", record.version);
}

std::string AdapterFolder::NameFolder(absl::string_view name) const {
  return absl::StrCat(folder_, "/", name);
}

std::string AdapterFolder::VersionFolder(absl::string_view name, int64_t version) const {
  return absl::StrCat(folder_, "/", name, "/", version);
}

std::string AdapterFolder::Sidecar(absl::string_view name, int64_t version) const {
  return absl::StrCat(VersionFolder(name, version), kSidecarSuffix);
}

absl::StatusOr<StoredAdapters> AdapterFolder::ReadAll(std::vector<std::string>& warnings) const {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder_));
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  StoredAdapters adapters;
  for (const std::string& name : names) {
    if (absl::StartsWith(name, kRemovedPrefix)) {
      SCANSERVE_RETURN_IF_ERROR(RemoveAll(NameFolder(name)));
    } else if (!ValidateName(name).ok() || !std::filesystem::is_directory(NameFolder(name))) {
      warnings.push_back(absl::StrCat(NameFolder(name), " is no adapter's folder: left alone"));
    } else {
      SCANSERVE_ASSIGN_OR_RETURN(AdapterVersions versions, ReadName(name, warnings));
      if (!versions.empty()) adapters.emplace(name, std::move(versions));
    }
  }
  return adapters;
}

absl::StatusOr<AdapterVersions> AdapterFolder::ReadName(const std::string& name,
                                                        std::vector<std::string>& warnings) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFolder(NameFolder(name)));
  AdapterVersions versions;
  bool any_left = false;
  for (const std::string& file : files) {
    const int64_t version = VersionOf(file, kSidecarSuffix);
    if (version == 0) continue;
    const StoredAdapter adapter = ReadVersion(name, version, warnings);
    any_left |= adapter.state != State::kDeleted;
    versions.emplace(version, adapter);
  }
  for (const std::string& file : files) {
    const bool tombstone = !any_left && VersionOf(file, kSidecarSuffix) != 0;
    if (!IsLeftover(file, versions) && !tombstone) continue;
    SCANSERVE_RETURN_IF_ERROR(RemoveAll(absl::StrCat(NameFolder(name), "/", file)));
  }
  if (any_left) return versions;
  if (::rmdir(NameFolder(name).c_str()) != 0) {
    warnings.push_back(absl::StrCat(NameFolder(name), " holds no adapter: left alone"));
  }
  return AdapterVersions();
}

StoredAdapter AdapterFolder::ReadVersion(const std::string& name, int64_t version,
                                         std::vector<std::string>& warnings) const {
  absl::StatusOr<StoredAdapter> adapter = CheckVersion(name, version);
  if (!adapter.ok()) {
    warnings.push_back(absl::StrCat("adapter ", name, " version ", version,
                                    " is damaged and not served: ", adapter.status().message()));
    adapter = StoredAdapter();
    adapter->state = State::kDamaged;
  }
  adapter->record.name = name;
  adapter->record.version = version;
  return *std::move(adapter);
}

absl::StatusOr<StoredAdapter> AdapterFolder::CheckVersion(const std::string& name,
                                                          int64_t version) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string sidecar,
                             base::ReadFile(Sidecar(name, version), kMaxSidecarBytes));
  SCANSERVE_ASSIGN_OR_RETURN(StoredAdapter adapter, ParseSidecar(sidecar));
  if (adapter.state == State::kDeleted) return adapter;
  if (adapter.record.name != name || adapter.record.version != version) {
    return absl::InvalidArgumentError("the sidecar is that of another adapter");
  }
  // Their digests are checked when they are read to be served.
  const std::string folder = VersionFolder(name, version);
  const int64_t config = FileSize(absl::StrCat(folder, kConfig));
  const int64_t tensors = FileSize(absl::StrCat(folder, kTensors));
  if (config < 0 || tensors < 0 || config + tensors != adapter.bytes) {
    return absl::InvalidArgumentError("a file is missing or has another size");
  }
  return adapter;
}

absl::StatusOr<StoredAdapter> AdapterFolder::Write(const AdapterRecord& record,
                                                   AdapterFileViews files) const {
  StoredAdapter adapter;
  adapter.record = record;
  adapter.config_sha256 = base::Sha256Hex(files.config);
  adapter.tensors_sha256 = base::Sha256Hex(files.tensors);
  adapter.bytes = static_cast<int64_t>(files.config.size() + files.tensors.size());
  const std::string folder = VersionFolder(record.name, record.version);
  const auto write = [&]() -> absl::Status {
    SCANSERVE_RETURN_IF_ERROR(MakeFolder(NameFolder(record.name)));
    SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder));
    SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(absl::StrCat(folder, kConfig), files.config));
    SCANSERVE_RETURN_IF_ERROR(
        base::WriteFileDurably(absl::StrCat(folder, kTensors), files.tensors));
    return WriteSidecar(adapter);
  };
  const absl::Status status = write();
  if (status.ok()) return adapter;
  ::unlink(Sidecar(record.name, record.version).c_str());
  RemoveAll(folder).IgnoreError();           // else at the next start
  ::rmdir(NameFolder(record.name).c_str());  // goes only when no other version is in it
  return status;
}

absl::Status AdapterFolder::WriteSidecar(const StoredAdapter& adapter) const {
  return base::WriteFileDurably(Sidecar(adapter.record.name, adapter.record.version),
                                SidecarText(adapter));
}

absl::StatusOr<std::pair<std::string, std::string>> AdapterFolder::Read(
    const StoredAdapter& adapter) const {
  const std::string folder = VersionFolder(adapter.record.name, adapter.record.version);
  const auto read = [&folder](absl::string_view file, int64_t max_bytes,
                              const std::string& sha256) -> absl::StatusOr<std::string> {
    const std::string path = absl::StrCat(folder, file);
    absl::StatusOr<std::string> content = base::ReadFile(path, max_bytes);
    if (absl::IsUnavailable(content.status())) return content;
    if (content.ok() && base::Sha256Hex(*content) == sha256) return content;
    return absl::FailedPreconditionError(absl::StrCat(path, " is gone or was altered"));
  };
  SCANSERVE_ASSIGN_OR_RETURN(std::string config,
                             read(kConfig, kMaxConfigBytes, adapter.config_sha256));
  SCANSERVE_ASSIGN_OR_RETURN(std::string tensors,
                             read(kTensors, kMaxTensorsBytes, adapter.tensors_sha256));
  return std::make_pair(std::move(config), std::move(tensors));
}

absl::Status AdapterFolder::Remove(absl::string_view name, int64_t version) const {
  SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(Sidecar(name, version), TombstoneText()));
  // The tombstone stands: files that cannot be removed now are removed at the next start.
  RemoveAll(VersionFolder(name, version)).IgnoreError();
  return absl::OkStatus();
}

absl::Status AdapterFolder::RemoveName(absl::string_view name) const {
  return store::RemoveName(folder_, name);
}

}  // namespace scanserve::store
