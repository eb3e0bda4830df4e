// Text that a person hands to a program: as an argument, from a file, or on standard input.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace scanserve::client {

// The whole content of the file, or of standard input for "-". INVALID_ARGUMENT when it is larger
// than `max_bytes`, DocumentReader's errors when it cannot be read.
absl::StatusOr<std::string> ReadTextInput(const std::string& path, int64_t max_bytes);

}  // namespace scanserve::client
