// Reads the server's command line, environment and configuration file. The only place that knows
// flags and SCANSERVE_ variables.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "server/server_options.h"

namespace scanserve::server {

// The validated options: a flag before the environment, the environment before the file. Nothing
// when `--help`, `--version` or `--check-config` was asked for and answered on standard output.
// INVALID_ARGUMENT names every fault of every source, also of values that another source replaces.
absl::StatusOr<std::optional<ServerOptions>> ReadOptions(int argc, const char* const* argv);

}  // namespace scanserve::server
