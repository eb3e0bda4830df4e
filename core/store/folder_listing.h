// What a folder holds, and making and clearing folders, with errors as absl::Status.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace scanserve::store {

// The names in `folder`, sorted. UNAVAILABLE when it cannot be read.
absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& folder);

// Makes `folder`, durably, unless it is there. UNAVAILABLE when it cannot.
absl::Status MakeFolder(const std::string& folder);

// Removes a file or a folder with all that it holds; what is not there counts as removed.
absl::Status RemoveAll(const std::string& path);

}  // namespace scanserve::store
