#include "server/auth_processor.h"

#include <grpcpp/security/auth_context.h>

#include "absl/time/clock.h"
#include "core/base/sha256.h"
#include "server/grpc_status.h"
#include "server/log.h"
#include "server/role_table.h"

namespace scanserve::server {
namespace {

constexpr char kCertificateProperty[] = "x509_pem_cert";
constexpr size_t kShortDigest = 12;

std::string TextOf(grpc::string_ref text) { return {text.data(), text.size()}; }

// Of several values there is none that could be trusted to be the one that was meant.
std::string OnlyValue(const grpc::AuthMetadataProcessor::InputMetadata& metadata,
                      const char* name) {
  const auto [begin, end] = metadata.equal_range(name);
  return begin == end || std::next(begin) != end ? std::string() : TextOf(begin->second);
}

// The first name that the certificate gives, else the beginning of its digest; empty without one.
std::string CertificateName(const grpc::AuthContext& connection) {
  const auto certificates = connection.FindPropertyValues(kCertificateProperty);
  if (certificates.empty()) return "";
  const auto names = connection.GetPeerIdentity();
  if (!names.empty() && !names.front().empty()) return TextOf(names.front());
  return base::Sha256Hex(TextOf(certificates.front())).substr(0, kShortDigest);
}

}  // namespace

Credentials CredentialsOf(const grpc::AuthMetadataProcessor::InputMetadata& metadata,
                          const grpc::AuthContext* connection) {
  return {OnlyValue(metadata, "authorization"),
          connection == nullptr ? "" : CertificateName(*connection)};
}

grpc::Status AuthProcessor::Process(const InputMetadata& metadata, grpc::AuthContext* connection,
                                    OutputMetadata*, OutputMetadata*) {
  const std::string path = OnlyValue(metadata, ":path");
  if (IsOurs(path)) return grpc::Status::OK;
  const std::optional<base::Role> role = RoleOfPath(path);
  if (!role) return grpc::Status::OK;
  const auto caller = access_.Authorize(CredentialsOf(metadata, connection), *role, absl::Now());
  if (caller.ok()) return grpc::Status::OK;
  LogInfo("refused", {{"path", path}, LogField::Whole("message", caller.status().message())});
  return ToGrpcStatus(caller.status(), "");
}

}  // namespace scanserve::server
