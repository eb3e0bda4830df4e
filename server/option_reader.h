// Reads the server's command line. The only place that knows flags.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "server/server_options.h"

namespace scanserve::server {

// The validated options; nothing when `--help` or `--version` was asked for and printed.
// INVALID_ARGUMENT names every fault.
absl::StatusOr<std::optional<ServerOptions>> ReadOptions(int argc, const char* const* argv);

}  // namespace scanserve::server
