// The certificates of a TLS port: read from the operator's files and checked before anybody relies
// on them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace scanserve::server {

// Paths of PEM files.
struct CertificateFiles {
  // The server's certificate and those between it and its authority.
  std::string certificate;
  std::string key;
  // The authorities of clients; empty asks clients for no certificate.
  std::string client_ca;
};

// What the files hold.
struct CertificateSet {
  std::string certificate;
  std::string key;
  std::string client_ca;

  bool operator==(const CertificateSet&) const = default;
};

struct CertificateFacts {
  // When the first certificate of the set stops to be valid.
  absl::Time expires;
  // Of the server's certificate, in hex.
  std::string serial;
};

// NOT_FOUND, INVALID_ARGUMENT or UNAVAILABLE as ReadFile; nothing is checked.
absl::StatusOr<CertificateSet> ReadCertificates(const CertificateFiles& files);

// INVALID_ARGUMENT when something is no PEM, the key is encrypted or of another certificate, or a
// certificate is not valid at `now`. Names what, never its content.
absl::StatusOr<CertificateFacts> CheckCertificates(const CertificateSet& set, absl::Time now);

}  // namespace scanserve::server
