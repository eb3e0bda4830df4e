#include "server/port_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "server/auth_processor.h"

namespace scanserve::server {
namespace {

// How often gRPC looks for other certificates.
constexpr unsigned int kCertificateSeconds = 1;

}  // namespace

std::shared_ptr<grpc::ServerCredentials> PortCredentials(const ServerCertificates* certificates,
                                                         const AccessControl& access) {
  if (certificates == nullptr) return grpc::InsecureServerCredentials();
  const CertificateFiles files = certificates->files_in_use();
  const bool asks = certificates->asks_clients();
  grpc::experimental::TlsServerCredentialsOptions options(
      asks ? std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
                 files.key, files.certificate, files.client_ca, kCertificateSeconds)
           : std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
                 files.key, files.certificate, kCertificateSeconds));
  options.watch_identity_key_cert_pairs();
  if (asks) options.watch_root_certs();
  options.set_cert_request_type(asks ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                     : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  auto credentials = grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::make_shared<AuthProcessor>(access));
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> LoopbackCredentials(const ServerCertificates* certificates,
                                                             const AccessControl& access) {
  if (certificates != nullptr) return PortCredentials(certificates, access);
  auto credentials = grpc::experimental::LocalServerCredentials(LOCAL_TCP);
  credentials->SetAuthMetadataProcessor(std::make_shared<AuthProcessor>(access));
  return credentials;
}

}  // namespace scanserve::server
