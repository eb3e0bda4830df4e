// The gRPC port: services, health, reflection, and their end.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/backend.h"
#include "server/server_certificates.h"

namespace scanserve::server {

class GrpcServer {
 public:
  // Opens the port and reports SERVING; with TLS when there are `certificates`. UNAVAILABLE with
  // one sentence when the address cannot be had. `backend` and `certificates` outlive the server.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Open(
      const ServerOptions& options, Backend& backend,
      const ServerCertificates* certificates = nullptr);
  // Closes the port if Shutdown was not called.
  virtual ~GrpcServer() = default;

  // The one in use, also when port 0 was asked for.
  virtual int port() const = 0;
  // What health checks say of the server and each of its services.
  virtual void SetServing(bool serving) = 0;
  // Breaks all connections and closes the port; calls still open at `deadline` are cancelled.
  // Returns when none is left.
  virtual void Shutdown(absl::Time deadline) = 0;
};

}  // namespace scanserve::server
