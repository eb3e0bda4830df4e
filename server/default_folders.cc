#include "server/default_folders.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace scanserve::server {
namespace {

constexpr char kModel[] = "models/scanserve-6m";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string DefaultModelFolder() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const std::filesystem::path installed =
        program.parent_path().parent_path() / "share" / "scanserve" / kModel;
    if (std::filesystem::is_directory(installed, error)) return installed.string();
  }
  return absl::StrCat(SCANSERVE_SOURCE_DIR, "/", kModel);
}

std::string DefaultStoreFolder() {
  const std::string data = Environment("XDG_DATA_HOME");
  // The XDG base directory specification has relative paths ignored.
  if (!data.empty() && data.front() == '/') return absl::StrCat(data, "/scanserve");
  const std::string home = Environment("HOME");
  return home.empty() ? "" : absl::StrCat(home, "/.local/share/scanserve");
}

}  // namespace scanserve::server
