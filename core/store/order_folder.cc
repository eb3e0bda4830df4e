#include "core/store/order_folder.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"
#include "core/order/json_field.h"
#include "core/store/folder_listing.h"
#include "core/store/sealed_json.h"
#include "nlohmann/json.hpp"

namespace scanserve::store {
namespace {

constexpr absl::string_view kNpy = ".npy";
constexpr absl::string_view kInverse = ".inv.npy";
constexpr absl::string_view kSidecar = ".json";
constexpr int64_t kMaxSidecarBytes = 1 << 16;

std::string SidecarText(const OrderRecord& record) {
  nlohmann::json json = {{"name", record.name},
                         {"version", record.version},
                         {"digest", record.digest},
                         {"length", record.length},
                         {"file_sha256", record.file_sha256},
                         {"created", order::JsonTime(record.created)},
                         {"forced_for_model", record.forced_for_model}};
  if (record.provenance) json["provenance"] = order::ProvenanceToJson(*record.provenance);
  return SealedText(std::move(json));
}

// Stands in place of the sidecar once the version is deleted.
std::string TombstoneText() { return SealedText({{"deleted", true}}); }

absl::StatusOr<StoredOrder> ParseSidecar(absl::string_view text) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json, ParseSealed(text));
  StoredOrder stored;
  if (json.contains("deleted")) {
    stored.state = StoredOrder::State::kDeleted;
    return stored;
  }
  OrderRecord& record = stored.record;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "name", record.name));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "version", record.version));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "digest", record.digest));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "length", record.length));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "created", record.created));
  // Orders stored before these were kept have none.
  if (json.contains("file_sha256")) {
    SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "file_sha256", record.file_sha256));
  }
  if (json.contains("forced_for_model")) {
    SCANSERVE_RETURN_IF_ERROR(
        order::ReadJsonField(json, "forced_for_model", record.forced_for_model));
  }
  if (json.contains("provenance")) {
    SCANSERVE_ASSIGN_OR_RETURN(record.provenance, order::ProvenanceFromJson(json["provenance"]));
  }
  return stored;
}

// Whether an interrupted change left `file`: a version begins with its sidecar, written last, and
// ends with its tombstone, written first.
bool IsLeftover(absl::string_view file, const StoredVersions& versions) {
  if (absl::EndsWith(file, base::kTemporarySuffix)) return true;
  const int64_t version = std::max(VersionOf(file, kNpy), VersionOf(file, kInverse));
  if (version == 0) return false;
  const auto found = versions.find(version);
  return found == versions.end() || found->second.state == StoredOrder::State::kDeleted;
}

}  // namespace

std::string OrderFolder::NameFolder(absl::string_view name) const {
  return absl::StrCat(folder_, "/", name);
}

std::string OrderFolder::Path(absl::string_view name, int64_t version,
                              absl::string_view suffix) const {
  return absl::StrCat(folder_, "/", name, "/", version, suffix);
}

absl::StatusOr<StoredOrders> OrderFolder::ReadAll(std::vector<std::string>& warnings) const {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder_));
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  StoredOrders orders;
  for (const std::string& name : names) {
    if (absl::StartsWith(name, kRemovedPrefix)) {
      SCANSERVE_RETURN_IF_ERROR(RemoveAll(NameFolder(name)));
    } else if (!ValidateOrderName(name).ok() || !std::filesystem::is_directory(NameFolder(name))) {
      warnings.push_back(absl::StrCat(NameFolder(name), " is no order's folder: left alone"));
    } else {
      SCANSERVE_ASSIGN_OR_RETURN(StoredVersions versions, ReadName(name, warnings));
      if (!versions.empty()) orders.emplace(name, std::move(versions));
    }
  }
  return orders;
}

absl::StatusOr<StoredVersions> OrderFolder::ReadName(const std::string& name,
                                                     std::vector<std::string>& warnings) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFolder(NameFolder(name)));
  StoredVersions versions;
  bool any_left = false;
  for (const std::string& file : files) {
    const int64_t version = VersionOf(file, kSidecar);
    if (version == 0) continue;
    const StoredOrder stored = ReadVersion(name, version, warnings);
    any_left |= stored.state != StoredOrder::State::kDeleted;
    versions.emplace(version, stored);
  }
  for (const std::string& file : files) {
    if (!IsLeftover(file, versions) && (any_left || VersionOf(file, kSidecar) == 0)) continue;
    SCANSERVE_RETURN_IF_ERROR(RemoveAll(absl::StrCat(NameFolder(name), "/", file)));
  }
  if (any_left) return versions;
  if (::rmdir(NameFolder(name).c_str()) != 0) {
    warnings.push_back(absl::StrCat(NameFolder(name), " holds no order: left alone"));
  }
  return StoredVersions();
}

StoredOrder OrderFolder::ReadVersion(const std::string& name, int64_t version,
                                     std::vector<std::string>& warnings) const {
  absl::StatusOr<StoredOrder> stored = CheckVersion(name, version, warnings);
  if (!stored.ok()) {
    warnings.push_back(absl::StrCat("order ", name, " version ", version,
                                    " is damaged and not served: ", stored.status().message()));
    stored = StoredOrder{StoredOrder::State::kDamaged, {}, 0};
  }
  stored->record.name = name;
  stored->record.version = version;
  return *std::move(stored);
}

absl::StatusOr<StoredOrder> OrderFolder::CheckVersion(const std::string& name, int64_t version,
                                                      std::vector<std::string>& warnings) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string sidecar,
                             base::ReadFile(Path(name, version, kSidecar), kMaxSidecarBytes));
  SCANSERVE_ASSIGN_OR_RETURN(StoredOrder stored, ParseSidecar(sidecar));
  if (stored.state == StoredOrder::State::kDeleted) return stored;
  if (stored.record.name != name || stored.record.version != version) {
    return absl::InvalidArgumentError("the sidecar is that of another order");
  }
  SCANSERVE_ASSIGN_OR_RETURN(const std::string npy, ReadNpy(stored.record));
  SCANSERVE_ASSIGN_OR_RETURN(const auto order, order::ScanOrder::FromNpy(npy));
  if (order->size() != stored.record.length) {
    return absl::InvalidArgumentError("the sidecar states another length");
  }
  const std::string inverse = base::FormatNpyIntegers(order::Inverse(order->pi()));
  const std::string inverse_path = Path(name, version, kInverse);
  if (base::ReadFile(inverse_path, order::ScanOrder::kMaxNpyBytes).value_or("") != inverse) {
    SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(inverse_path, inverse));
    warnings.push_back(absl::StrCat(inverse_path, " was missing or wrong: written anew"));
  }
  stored.bytes = static_cast<int64_t>(sidecar.size() + npy.size() + inverse.size());
  return stored;
}

int64_t OrderFolder::BytesNeeded(absl::string_view npy, const order::ScanOrder& order) {
  constexpr int64_t kSidecarAndHeader = 16 << 10;
  return static_cast<int64_t>(npy.size()) + order.size() * 8 + kSidecarAndHeader;
}

absl::StatusOr<int64_t> OrderFolder::Write(const OrderRecord& record, absl::string_view npy,
                                           const order::ScanOrder& order) const {
  const std::string inverse = base::FormatNpyIntegers(order::Inverse(order.pi()));
  const std::string sidecar = SidecarText(record);
  const auto write = [&]() -> absl::Status {
    SCANSERVE_RETURN_IF_ERROR(MakeFolder(NameFolder(record.name)));
    const auto path = [&](absl::string_view suffix) {
      return Path(record.name, record.version, suffix);
    };
    SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(path(kNpy), npy));
    SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(path(kInverse), inverse));
    return base::WriteFileDurably(path(kSidecar), sidecar);
  };
  const absl::Status status = write();
  if (status.ok()) return static_cast<int64_t>(sidecar.size() + npy.size() + inverse.size());
  for (const absl::string_view suffix : {kSidecar, kInverse, kNpy}) {
    ::unlink(Path(record.name, record.version, suffix).c_str());
  }
  ::rmdir(NameFolder(record.name).c_str());  // goes only when no other version is in it
  return status;
}

absl::StatusOr<int64_t> OrderFolder::RewriteSidecar(const OrderRecord& record) const {
  const std::string path = Path(record.name, record.version, kSidecar);
  SCANSERVE_ASSIGN_OR_RETURN(const std::string before, base::ReadFile(path, kMaxSidecarBytes));
  const std::string after = SidecarText(record);
  SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(path, after));
  return static_cast<int64_t>(after.size()) - static_cast<int64_t>(before.size());
}

absl::StatusOr<std::string> OrderFolder::ReadNpy(const OrderRecord& record) const {
  const std::string path = Path(record.name, record.version, kNpy);
  absl::StatusOr<std::string> npy = base::ReadFile(path, order::ScanOrder::kMaxNpyBytes);
  if (absl::IsUnavailable(npy.status())) return npy;
  const bool same_file =
      npy.ok() && (record.file_sha256.empty() || base::Sha256Hex(*npy) == record.file_sha256);
  if (same_file) {
    const auto order = order::ScanOrder::FromNpy(*npy);
    if (order.ok() && (*order)->digest() == record.digest) return npy;
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, " no longer holds the order with digest ", record.digest.substr(0, 12)));
}

absl::StatusOr<std::shared_ptr<const order::ScanOrder>> OrderFolder::ReadOrder(
    const OrderRecord& record) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string npy, ReadNpy(record));
  return order::ScanOrder::FromNpy(npy);
}

absl::Status OrderFolder::Remove(absl::string_view name, int64_t version) const {
  SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(Path(name, version, kSidecar), TombstoneText()));
  // The tombstone stands: files that cannot be removed now are removed at the next start.
  RemoveAll(Path(name, version, kInverse)).IgnoreError();
  RemoveAll(Path(name, version, kNpy)).IgnoreError();
  return absl::OkStatus();
}

absl::Status OrderFolder::RemoveName(absl::string_view name) const {
  return store::RemoveName(folder_, name);
}

}  // namespace scanserve::store
