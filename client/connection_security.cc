#include "client/connection_security.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

constexpr int64_t kMaxPemBytes = 1 << 20;
constexpr int64_t kMaxTokenFileBytes = 4 << 10;

absl::StatusOr<std::string> ReadPem(const std::string& file) {
  if (file.empty()) return "";
  return base::ReadFile(file, kMaxPemBytes);
}

absl::StatusOr<std::string> ReadToken(const std::string& file) {
  if (file.empty()) return "";
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kMaxTokenFileBytes));
  const std::string token(absl::StripAsciiWhitespace(text));
  // What a header may hold; the content itself is never shown.
  const bool usable = !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (usable) return token;
  return absl::InvalidArgumentError(absl::StrCat(file, " holds no token"));
}

}  // namespace

void AddSecurityFlags(CLI::App& app, SecurityFlags& flags) {
  app.add_flag("--tls", flags.tls, "Speak TLS and trust the system's authorities");
  const auto add = [&app](const char* flag, std::string& value, const char* variable,
                          const std::string& text) {
    app.add_option(flag, value, absl::StrCat(text, "; also ", variable))
        ->envname(variable)
        ->type_name("FILE");
  };
  add("--tls-ca", flags.ca_file, "SCANSERVE_TLS_CA", "Speak TLS, trust these");
  add("--tls-certificate", flags.certificate_file, "SCANSERVE_CLIENT_CERTIFICATE", "Certificate");
  add("--tls-key", flags.key_file, "SCANSERVE_CLIENT_KEY", "Its key");
  add("--token-file", flags.token_file, "SCANSERVE_TOKEN_FILE", "Access token to send");
}

bool IsLocal(absl::string_view server) {
  return absl::StartsWith(server, "127.") || absl::StartsWith(server, "localhost:") ||
         absl::StartsWith(server, "[::1]:") || absl::StartsWith(server, "unix:");
}

absl::StatusOr<ConnectionSecurity> ReadSecurity(const SecurityFlags& flags,
                                                const std::string& server) {
  ConnectionSecurity security;
  if (flags.certificate_file.empty() != flags.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-certificate and --tls-key go together");
  }
  if (flags.tls || !flags.ca_file.empty() || !flags.certificate_file.empty()) {
    ConnectionSecurity::Tls tls;
    SCANSERVE_ASSIGN_OR_RETURN(tls.authorities, ReadPem(flags.ca_file));
    SCANSERVE_ASSIGN_OR_RETURN(tls.certificate, ReadPem(flags.certificate_file));
    SCANSERVE_ASSIGN_OR_RETURN(tls.key, ReadPem(flags.key_file));
    security.tls = std::move(tls);
  }
  SCANSERVE_ASSIGN_OR_RETURN(security.token, ReadToken(flags.token_file));
  if (!security.token.empty() && !security.tls && !IsLocal(server)) {
    return absl::InvalidArgumentError(absl::StrCat("the token would go to ", server,
                                                   " unencrypted: give --tls-ca FILE or --tls"));
  }
  return security;
}

}  // namespace scanserve::client
