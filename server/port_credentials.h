// How the gRPC ports prove who they are, and what they ask of calls that no wrapper of ours sees.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/access_control.h"
#include "server/server_certificates.h"

namespace scanserve::server {

// TLS with an AuthProcessor; plain text, without one, when there are no `certificates`. Both
// arguments outlive the credentials.
std::shared_ptr<grpc::ServerCredentials> PortCredentials(const ServerCertificates* certificates,
                                                         const AccessControl& access);

// The same for a port on a loopback address, which has an AuthProcessor without TLS too: there gRPC
// takes connections of this machine alone, from clients that speak plain text.
std::shared_ptr<grpc::ServerCredentials> LoopbackCredentials(const ServerCertificates* certificates,
                                                             const AccessControl& access);

}  // namespace scanserve::server
