// The life of the server process, from its options to its end.
#pragma once

#include "absl/status/status.h"
#include "server/server_options.h"

namespace scanserve::server {

// Loads, warms up, opens the port, serves until SIGTERM or SIGINT, drains and closes. Any error
// comes before the port is open, as one sentence. Call it from main, before there are other
// threads.
absl::Status RunServer(const ServerOptions& options);

}  // namespace scanserve::server
