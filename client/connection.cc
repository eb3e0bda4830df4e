#include "client/connection.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/status_sentence.h"

namespace scanserve::client {
namespace {

constexpr int kDefaultPort = 50051;

std::shared_ptr<grpc::ChannelCredentials> Credentials(const ConnectionSecurity& security) {
  if (!security.tls) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials(
      {security.tls->authorities, security.tls->key, security.tls->certificate});
}

std::shared_ptr<grpc::Channel> OpenChannel(const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  // gRPC gives a connection attempt as long as its shortest pause between attempts.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(options.connect_timeout)));
  // Notices a server that vanished without closing the connection.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options.shares_tcp ? 0 : 1);
  // gRPC would ask the proxy of the environment even for this machine's own address.
  if (IsLocal(options.server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(options.server, Credentials(options.security), arguments);
}

ConnectionOptions Completed(ConnectionOptions options) {
  options.server = WithDefaultPort(options.server);
  return options;
}

}  // namespace

std::string WithDefaultPort(absl::string_view server) {
  if (absl::StrContains(server, '/') || absl::StartsWith(server, "unix:")) {
    return std::string(server);
  }
  const size_t host_end = absl::StartsWith(server, "[") ? server.find(']') : 0;
  if (host_end != absl::string_view::npos && absl::StrContains(server.substr(host_end), ':')) {
    return std::string(server);
  }
  return absl::StrCat(server, ":", kDefaultPort);
}

Connection::Connection(ConnectionOptions options)
    : options_(Completed(std::move(options))), channel_(OpenChannel(options_)) {}

void Connection::CancelAll() {
  base::MutexLock lock(mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : calls_) context->TryCancel();
  if (cancel_listener_) cancel_listener_();
}

void Connection::SetCancelListener(std::function<void()> listener) {
  base::MutexLock lock(mutex_);
  cancel_listener_ = std::move(listener);
  if (cancelled_ && cancel_listener_) cancel_listener_();
}

absl::Status Connection::FromGrpc(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      StatusSentence(status, options_.server));
}

Call::Call(Connection& connection) : connection_(connection) {
  if (connection.options_.timeout != absl::InfiniteDuration()) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + connection.options_.timeout));
  }
  const std::string& token = connection.options_.security.token;
  if (!token.empty()) context_.AddMetadata("authorization", absl::StrCat("Bearer ", token));
  base::MutexLock lock(connection_.mutex_);
  connection_.calls_.insert(&context_);
  if (connection_.cancelled_) context_.TryCancel();
}

Call::~Call() {
  base::MutexLock lock(connection_.mutex_);
  connection_.calls_.erase(&context_);
}

}  // namespace scanserve::client
