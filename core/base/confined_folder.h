// Reading files below one folder by names that clients give: no name leads out of it, and no
// symbolic link inside is followed, whoever renames what meanwhile.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/file.h"

namespace scanserve::base {

// Movable. Thread-safe but for moving. Needs openat2 (Linux 5.6).
class ConfinedFolder {
 public:
  // The folder of that path, which is the operator's: links on the way to it are followed.
  // UNAVAILABLE when it cannot be opened.
  static absl::StatusOr<ConfinedFolder> Open(const std::string& path);

  // A folder in this one. NOT_FOUND; INVALID_ARGUMENT when it is something else, a symbolic link,
  // or outside; UNAVAILABLE when the system cannot open it. Messages hold the way from the first
  // folder on, not that folder's own path.
  absl::StatusOr<ConfinedFolder> OpenFolder(const std::string& name) const;

  // The content of a regular file in this folder, of at most `max_bytes`. Errors of OpenFolder and
  // ReadOpenFile. What is cut short meanwhile is read as far as it goes.
  absl::StatusOr<std::string> ReadFile(const std::string& name, int64_t max_bytes) const;

 private:
  ConfinedFolder(FileDescriptor folder, std::string way)
      : folder_(std::move(folder)), way_(std::move(way)) {}

  absl::StatusOr<FileDescriptor> OpenBelow(const std::string& name, int flags) const;

  FileDescriptor folder_;
  std::string way_;  // from the first folder, empty or ending in a slash
};

}  // namespace scanserve::base
