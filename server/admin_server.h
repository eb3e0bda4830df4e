// The admin port: channelz, which shows the connections, streams and errors of every gRPC port of
// the process, for whoever debugs it on this machine.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/access_control.h"
#include "server/server_certificates.h"
#include "server/server_options.h"

namespace scanserve::server {

class AdminServer {
 public:
  // Opens `options.admin_listen`, a loopback address; with TLS when there are `certificates`. Where
  // calls are authenticated, these need the role admin. UNAVAILABLE with one sentence when the
  // address cannot be had. `access` and `certificates` outlive the server.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Open(const ServerOptions& options,
                                                           const AccessControl& access,
                                                           const ServerCertificates* certificates);
  // Closes the port.
  virtual ~AdminServer() = default;

  // The one in use, also when port 0 was asked for.
  virtual int port() const = 0;
};

}  // namespace scanserve::server
