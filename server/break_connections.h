// Ends the connections of a port from below gRPC and CivetWeb.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

namespace scanserve::server {

// Shuts every connection that this process has accepted on TCP port `port`; what was sent before
// still arrives. Clients see a broken connection, which gRPC tells as UNAVAILABLE, where a closing
// grpc::Server tells a call that comes during its closing CANCELLED, as if the client had asked for
// it. gRPC notices and frees what it holds.
void BreakConnections(int port);

// Makes room on a TCP port where clients keep connections open without need. Not thread-safe.
class ConnectionLimit {
 public:
  // When more than `limit` connections of `port` are open, shuts so many that wait for their
  // client, because nothing that it sent is left to be read: first those that were there at the
  // earliest look. Never one whose client is on a port of `spared`.
  void Look(int port, size_t limit, const std::multiset<int>& spared);

 private:
  // Of each connection, by the port of its client.
  std::map<int, int64_t> first_looks_;
  int64_t looks_ = 0;
};

// Takes no more connections on TCP port `port`, and wakes who waits for one.
void StopListening(int port);

}  // namespace scanserve::server
