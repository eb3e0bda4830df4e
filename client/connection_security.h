// How a client proves the server's identity and its own: the flags, and what stands in their files.
#pragma once

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"

namespace scanserve::client {

// What a connection needs for TLS and authentication; contents, not paths.
struct ConnectionSecurity {
  struct Tls {
    // PEM; empty trusts the authorities of the system.
    std::string authorities;
    // PEM, both or neither.
    std::string certificate;
    std::string key;
  };
  // Plain text without it.
  std::optional<Tls> tls;
  // Sent with each call; empty sends none.
  std::string token;
};

// --tls, --tls-ca, --tls-certificate, --tls-key and --token-file, each but the first also in the
// environment.
struct SecurityFlags {
  bool tls = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string token_file;
};
void AddSecurityFlags(CLI::App& app, SecurityFlags& flags);

// Reads the files. INVALID_ARGUMENT when they do not go together, or a token would leave this
// machine unencrypted on its way to `server`.
absl::StatusOr<ConnectionSecurity> ReadSecurity(const SecurityFlags& flags,
                                                const std::string& server);

// Whether `server`, as WithDefaultPort gives it, is this machine.
bool IsLocal(absl::string_view server);

}  // namespace scanserve::client
