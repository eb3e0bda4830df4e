#include "core/store/folder_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

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

}  // namespace scanserve::store
