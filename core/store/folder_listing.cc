#include "core/store/folder_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::store {

absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) {
    return absl::UnavailableError(absl::StrCat("reading folder ", folder, ": ", error.message()));
  }
  std::ranges::sort(names);
  return names;
}

absl::Status MakeFolder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0755) == 0) {
    return base::SyncFolder(std::filesystem::path(folder).parent_path().string());
  }
  if (errno == EEXIST && std::filesystem::is_directory(folder)) return absl::OkStatus();
  return base::UnavailableFromErrno("making folder", folder);
}

absl::Status RemoveAll(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("removing ", path, ": ", error.message()));
}

absl::Status RemoveName(const std::string& folder, absl::string_view name) {
  const std::string path = absl::StrCat(folder, "/", name);
  const std::string doomed = absl::StrCat(folder, "/", kRemovedPrefix, name);
  SCANSERVE_RETURN_IF_ERROR(RemoveAll(doomed));
  if (::rename(path.c_str(), doomed.c_str()) != 0) {
    return base::UnavailableFromErrno("removing", path);
  }
  const absl::Status synced = base::SyncFolder(folder);
  if (!synced.ok()) {
    (void)::rename(doomed.c_str(), path.c_str());
    return synced;
  }
  RemoveAll(doomed).IgnoreError();  // else at the next start
  return absl::OkStatus();
}

int64_t VersionOf(absl::string_view file, absl::string_view suffix) {
  int64_t version = 0;
  if (!absl::ConsumeSuffix(&file, suffix) || !absl::SimpleAtoi(file, &version)) return 0;
  return version > 0 && file == absl::StrCat(version) ? version : 0;
}

}  // namespace scanserve::store
