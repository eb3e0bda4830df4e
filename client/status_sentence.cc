#include "client/status_sentence.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace scanserve::client {
namespace {

std::optional<absl::Duration> RetryDelay(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& detail : details.details()) {
    google::rpc::RetryInfo info;
    if (detail.UnpackTo(&info) && info.has_retry_delay()) {
      return absl::Seconds(info.retry_delay().seconds()) +
             absl::Nanoseconds(info.retry_delay().nanos());
    }
  }
  return std::nullopt;
}

// gRPC's own words for a connection that could not be made. They are part of no contract; a test
// reads them from a real refused connection.
bool IsConnectFailure(absl::string_view message) {
  return absl::StrContains(message, "failed to connect to all addresses") ||
         absl::StrContains(message, "Failed to connect to remote host");
}

bool IsLookupFailure(absl::string_view message) {
  return absl::StrContains(message, "DNS resolution failed") ||
         absl::StrContains(message, "C-ares status");
}

bool IsBrokenConnection(absl::string_view message) {
  return absl::StrContains(message, "Socket closed") ||
         absl::StrContains(message, "Connection reset") ||
         absl::StrContains(message, "Broken pipe") || absl::StrContains(message, "GOAWAY") ||
         absl::StrContains(message, "keepalive watchdog timeout");
}

// What to change after a connection that was made and could not be used; empty when `message` tells
// of no such thing.
std::string HandshakeSentence(const std::string& message, absl::string_view server) {
  if (absl::StrContains(message, "certificate verify failed")) {
    return absl::StrCat("the certificate of ", server,
                        " is of no authority that is trusted, or not valid now: name its authority "
                        "with --tls-ca");
  }
  if (absl::StrContains(message, "is not in peer certificate")) {
    return absl::StrCat("the certificate of ", server,
                        " does not name that host: name it with --server as the certificate does");
  }
  if (absl::StrContains(message, "wrong version number")) {
    return absl::StrCat(server, " does not speak TLS: leave out --tls and --tls-ca");
  }
  if (absl::StrContains(message, "handshake failed")) {
    return absl::StrCat("TLS with ", server, " failed (", message, ")");
  }
  if (IsConnectFailure(message) && IsBrokenConnection(message)) {
    return absl::StrCat(server,
                        " hung up at once: it may want TLS (--tls-ca) or a client's certificate "
                        "(--tls-certificate)");
  }
  return "";
}

std::string UnavailableSentence(const std::string& message, absl::string_view server) {
  if (IsLookupFailure(message)) {
    return absl::StrCat("no address is known for the host of ", server,
                        ": give one with --server HOST:PORT");
  }
  if (std::string handshake = HandshakeSentence(message, server); !handshake.empty()) {
    return handshake;
  }
  if (IsConnectFailure(message)) {
    return absl::StrCat("no server answers at ", server,
                        ": start one with scanserve-server, or name another with --server");
  }
  if (IsBrokenConnection(message)) {
    return absl::StrCat("the connection to ", server, " broke before the answer ended (", message,
                        ")");
  }
  return absl::StrCat("UNAVAILABLE: ", message);
}

}  // namespace

std::string StatusSentence(const grpc::Status& status, absl::string_view server) {
  const std::string& message = status.error_message();
  const std::string code =
      absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  std::string sentence = absl::StrCat(code, ": ", message);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    sentence = UnavailableSentence(message, server);
  } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
             (message.empty() || message == "Deadline Exceeded")) {
    sentence = absl::StrCat(code, ": ", server, " gave no whole answer in the time of --timeout");
  } else if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && message.empty()) {
    sentence = absl::StrCat(code, ": ", server, " does not know this call");
  } else if (message.empty()) {
    sentence = absl::StrCat(code, ": ", server, " gave no reason");
  }
  if (const auto delay = RetryDelay(status)) {
    absl::StrAppendFormat(&sentence, " (try again in %.1f s)", absl::ToDoubleSeconds(*delay));
  }
  return sentence;
}

}  // namespace scanserve::client
