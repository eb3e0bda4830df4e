// The life of the server process, from its options to its end.
#pragma once

#include "absl/status/status.h"
#include "server/reloader.h"
#include "server/server_options.h"

namespace scanserve::server {

// Opens the HTTP port, loads, warms up, opens the gRPC port, serves until SIGTERM or SIGINT, drains
// and closes. Any error comes before the gRPC port is open, as one sentence. Call it from main,
// before there are other threads.
// `read_level` reads the configuration's log level again, on SIGHUP.
absl::Status RunServer(const ServerOptions& options, Reloader::ReadLevel read_level);

}  // namespace scanserve::server
