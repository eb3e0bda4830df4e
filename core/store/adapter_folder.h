// The files of the adapters under one folder: how a version is written, read, marked and removed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/store/adapter_record.h"

namespace scanserve::store {

using AdapterVersions = std::map<int64_t, StoredAdapter>;
using StoredAdapters = std::map<std::string, AdapterVersions, std::less<>>;

// Holds no state but the path; the caller serialises calls that change the same name.
class AdapterFolder {
 public:
  // What is read of a version's files; more is refused.
  static constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;
  static constexpr int64_t kMaxTensorsBytes = int64_t{256} << 20;

  explicit AdapterFolder(std::string folder) : folder_(std::move(folder)) {}

  // Reads every sidecar, making the folder when there is none, and removes what interrupted changes
  // left. What is damaged or strange goes into `warnings`, one sentence each. UNAVAILABLE when the
  // folder cannot be read.
  absl::StatusOr<StoredAdapters> ReadAll(std::vector<std::string>& warnings) const;

  // Writes the files of a new version, the sidecar last, and returns it as it is stored now.
  // UNAVAILABLE, and nothing left behind, when the disk refuses.
  absl::StatusOr<StoredAdapter> Write(const AdapterRecord& record, AdapterFileViews files) const;
  // Writes the sidecar of a version anew.
  absl::Status WriteSidecar(const StoredAdapter& adapter) const;

  // Config and tensors. FAILED_PRECONDITION when they are gone or were altered.
  absl::StatusOr<std::pair<std::string, std::string>> Read(const StoredAdapter& adapter) const;

  // Removes one version but keeps its number taken.
  absl::Status Remove(absl::string_view name, int64_t version) const;
  // Removes a name with all its versions, at once.
  absl::Status RemoveName(absl::string_view name) const;

 private:
  absl::StatusOr<AdapterVersions> ReadName(const std::string& name,
                                           std::vector<std::string>& warnings) const;
  StoredAdapter ReadVersion(const std::string& name, int64_t version,
                            std::vector<std::string>& warnings) const;
  absl::StatusOr<StoredAdapter> CheckVersion(const std::string& name, int64_t version) const;
  std::string NameFolder(absl::string_view name) const;
  std::string VersionFolder(absl::string_view name, int64_t version) const;
  std::string Sidecar(absl::string_view name, int64_t version) const;

  const std::string folder_;
};

}  // namespace scanserve::store
