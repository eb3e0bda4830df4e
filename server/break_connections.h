// Ends the connections of a port from below gRPC and CivetWeb.
#pragma once

namespace scanserve::server {

// Shuts every connection that this process has accepted on TCP port `port`; what was sent before
// still arrives. Clients see a broken connection, which gRPC tells as UNAVAILABLE, where a closing
// grpc::Server tells a call that comes during its closing CANCELLED, as if the client had asked for
// it. gRPC notices and frees what it holds.
void BreakConnections(int port);

// Takes no more connections on TCP port `port`, and wakes who waits for one.
void StopListening(int port);

}  // namespace scanserve::server
