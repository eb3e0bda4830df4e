// One process at a time may have a store's folder open.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/file.h"

namespace scanserve::store {

// Takes an exclusive flock on `folder`/LOCK, held until the descriptor closes (a crash closes it).
// FAILED_PRECONDITION when it is held elsewhere, by this process too; UNAVAILABLE when it cannot be
// made.
absl::StatusOr<base::FileDescriptor> LockFolder(const std::string& folder);

}  // namespace scanserve::store
