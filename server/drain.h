// How the server stops without breaking what runs.
#pragma once

#include "server/backend.h"
#include "server/grpc_server.h"

namespace scanserve::server {

// Reports NOT_SERVING but keeps serving for `drain_delay`; then refuses new calls with the port
// still open; when the last call has ended, or at `drain_deadline`, ends the rest and closes the
// port. A second stop request cuts both waits short.
void Drain(const ServerOptions& options, Backend& backend, GrpcServer& server);

}  // namespace scanserve::server
