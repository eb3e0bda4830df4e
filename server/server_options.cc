#include "server/server_options.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/store/order_record.h"
#include "server/option_rows.h"

namespace scanserve::server {
namespace {

constexpr size_t kDigestDigits = 64;

void CheckAddress(const ServerOptions& options, FaultList& faults) {
  const auto listen = ParseListen(options.listen);
  if (!listen.ok()) {
    faults.Require(false, "--listen", options.listen, listen.status().message());
    return;
  }
  if (IsLoopback(listen->first)) return;
  const SecurityOptions& security = options.security;
  faults.Require(security.has_tls() || options.insecure_no_tls, "--listen", options.listen,
                 "only loopback addresses are served without --tls-certificate or "
                 "--insecure-no-tls");
  faults.Require(security.has_auth() || options.insecure_no_auth, "--listen", options.listen,
                 "only loopback addresses are served without --tokens, --tls-client-ca or "
                 "--insecure-no-auth");
  faults.Require(security.has_tls() || !options.reflection, "--reflection", "true",
                 "needs --tls-certificate where others than this machine can reach the port");
}

void CheckSecurity(const SecurityOptions& security, FaultList& faults) {
  faults.Require(security.tls_certificate.empty() == security.tls_key.empty(), "--tls-key",
                 security.tls_key, "goes together with --tls-certificate");
  faults.Require(security.tls_client_ca.empty() || security.has_tls(), "--tls-client-ca",
                 security.tls_client_ca, "needs --tls-certificate");
}

void CheckHttp(const ServerOptions& options, FaultList& faults) {
  if (options.http_listen.empty()) return;
  const auto listen = ParseListen(options.http_listen);
  if (!listen.ok()) {
    faults.Require(false, "--http-listen", options.http_listen, listen.status().message());
    return;
  }
  faults.Require(
      IsLoopback(listen->first) || !options.security.tokens.empty() || options.insecure_no_auth,
      "--http-listen", options.http_listen,
      "only loopback addresses are served without --tokens or --insecure-no-auth");
}

void CheckAdmin(const std::string& admin_listen, FaultList& faults) {
  if (admin_listen.empty()) return;
  const auto listen = ParseListen(admin_listen);
  if (!listen.ok()) {
    faults.Require(false, "--admin-listen", admin_listen, listen.status().message());
    return;
  }
  faults.Require(IsLoopback(listen->first), "--admin-listen", admin_listen,
                 "only loopback addresses are served: channelz shows everybody's connections");
}

bool IsDigest(absl::string_view text) {
  return text.size() == kDigestDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

void CheckAdapters(const AdapterOptions& adapters, FaultList& faults) {
  constexpr const char* kNameRule =
      "the name must be 1 to 64 of [A-Za-z0-9._-] and not start with a dot";
  std::set<std::string> names;
  for (const auto& [name, folder] : adapters.folders) {
    const std::string value = absl::StrCat(name, "=", folder);
    faults.Require(store::ValidateName(name).ok(), "--adapter", value, kNameRule);
    faults.Require(!folder.empty(), "--adapter", value, "the folder is missing");
    faults.Require(names.insert(name).second, "--adapter", value, "the name is given twice");
  }
  for (const std::string& name : adapters.merged) {
    faults.Require(store::ValidateName(name).ok(), "--merge-adapter", name, kNameRule);
  }
  faults.Require(adapters.default_name.empty() || store::ValidateName(adapters.default_name).ok(),
                 "--default-adapter", adapters.default_name, kNameRule);
}

}  // namespace

const char* NumericsId(Numerics numerics) {
  return numerics == Numerics::kF32K1 ? "f32.k1" : "torch";
}

absl::StatusOr<std::pair<std::string, int>> ParseListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65'535) {
    return absl::InvalidArgumentError("must be HOST:PORT with a port of 0 to 65535");
  }
  std::string host = listen.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return absl::InvalidArgumentError("an IPv6 address stands in brackets, as in [::1]:50051");
  }
  return std::make_pair(host, port);
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

FaultList FaultsOf(const ServerOptions& options) {
  FaultList faults;
  ServerOptions copy = options;
  const OptionTable table = RowsOf(copy);
  for (const OptionTable::Row& row : table.rows()) {
    const absl::Status accepted = row.check();
    faults.Require(accepted.ok(), row.flag(), row.get(), accepted.message());
  }
  faults.Require(!options.model_folder.empty(), "--model", "", "names no folder");
  faults.Require(options.model_digest.empty() || IsDigest(options.model_digest), "--model-digest",
                 options.model_digest, "must be 64 of 0-9 and a-f");
  faults.Require(!options.store_folder.empty(), "--store", "", "names no folder");
  CheckAddress(options, faults);
  CheckSecurity(options.security, faults);
  CheckHttp(options, faults);
  CheckAdmin(options.admin_listen, faults);
  CheckAdapters(options.adapters, faults);
  faults.Require(IsLogLevel(options.log.level), "--log-level", options.log.level,
                 "must be trace, debug, info, warning, error or off");
  return faults;
}

std::vector<LogField> Describe(const ServerOptions& options) {
  using Kind = OptionTable::Kind;
  std::vector<LogField> fields;
  ServerOptions copy = options;
  const OptionTable table = RowsOf(copy);
  for (const OptionTable::Row& row : table.rows()) {
    LogField field = LogField::Whole(row.key(), row.get());
    field.literal =
        row.kind != Kind::kText && row.kind != Kind::kList && row.kind != Kind::kNumbers;
    fields.push_back(std::move(field));
  }
  return fields;
}

}  // namespace scanserve::server
