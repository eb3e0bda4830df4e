// What a TLS port asks of calls that do not go through our own wrapper: reflection and whatever
// else gRPC serves itself.
#pragma once

#include <grpcpp/security/auth_metadata_processor.h>

#include "server/access_control.h"

namespace scanserve::server {

// What a caller showed in the metadata of a call and on its connection.
Credentials CredentialsOf(const grpc::AuthMetadataProcessor::InputMetadata& metadata,
                          const grpc::AuthContext* connection);

// Thread-safe. Only for credentials with TLS: gRPC aborts when plain-text ones get a processor.
class AuthProcessor final : public grpc::AuthMetadataProcessor {
 public:
  // `access` outlives the processor.
  explicit AuthProcessor(const AccessControl& access) : access_(access) {}

  // The check is short, so no thread of its own.
  bool IsBlocking() const override { return false; }
  // Lets calls of our services through, which the wrapper checks, counts and logs; the others as
  // the role table says.
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* connection,
                       OutputMetadata* consumed, OutputMetadata* response) override;

 private:
  const AccessControl& access_;
};

}  // namespace scanserve::server
