// What a folder holds, and making and clearing folders, with errors as absl::Status. Stored things
// stand in <folder>/<name>/<version>SUFFIX.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace scanserve::store {

// The names in `folder`, sorted. UNAVAILABLE when it cannot be read.
absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& folder);

// Makes `folder`, durably, unless it is there. UNAVAILABLE when it cannot.
absl::Status MakeFolder(const std::string& folder);

// Removes a file or a folder with all that it holds; what is not there counts as removed.
absl::Status RemoveAll(const std::string& path);

// Removes `folder`/`name` with all that it holds, durably and at once: it is renamed first, and
// what a crash leaves of it begins with kRemovedPrefix, as no name does.
absl::Status RemoveName(const std::string& folder, absl::string_view name);
inline constexpr absl::string_view kRemovedPrefix = ".removed~";

// The version whose file with this suffix `file` is, 0 when it is none.
int64_t VersionOf(absl::string_view file, absl::string_view suffix);

}  // namespace scanserve::store
