// How the server proves who it is, and how callers do.
#pragma once

#include <cstdint>
#include <string>

namespace scanserve::server {

struct SecurityOptions {
  // PEM files of the gRPC port; empty serves plain text.
  std::string tls_certificate;
  std::string tls_key;
  // The authorities of clients, which then need a certificate of theirs.
  std::string tls_client_ca;
  // The list of access tokens (core/base/access_token.h); empty asks for none.
  std::string tokens;
  // Where the certificates in use are kept; empty is the system's temporary folder.
  std::string runtime_dir;
  // Of one caller; 0 sets no limit.
  double max_requests_per_second = 0;
  // What a caller that was silent may send at once.
  int32_t request_burst = 20;

  bool has_tls() const { return !tls_certificate.empty(); }
  bool has_auth() const { return !tokens.empty() || !tls_client_ca.empty(); }
};

}  // namespace scanserve::server
