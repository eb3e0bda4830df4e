// A connection to one server, and the calls made over it.
//
//   Connection connection({.server = "127.0.0.1:50051"});
//   auto info = UnaryCall(connection, &MonitoringService::Stub::GetServerInfo, request);
//
// The channel opens with the first call. Errors that come out of here are absl::Status with gRPC's
// code, and a message that is the whole sentence for a person to read.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/connection_security.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "grpcpp/grpcpp.h"

namespace scanserve::client {

inline constexpr absl::string_view kDefaultServer = "127.0.0.1:50051";

struct ConnectionOptions {
  // HOST, HOST:PORT, [IPV6]:PORT or unix:PATH; without a port, 50051.
  std::string server{kDefaultServer};
  // Time that each call may take.
  absl::Duration timeout = absl::InfiniteDuration();
  // Time to reach the server; a refused connection is noticed at once.
  absl::Duration connect_timeout = absl::Seconds(5);
  // Longest answer accepted. The server sends at most 1 MiB.
  int max_message_bytes = 4 << 20;
  // Whether TCP connections are shared with other Connections to the same server.
  bool shares_tcp = true;
  ConnectionSecurity security = {};
};

// `server` with the default port where it names none.
std::string WithDefaultPort(absl::string_view server);

// Thread-safe. Outlives its calls.
class Connection {
 public:
  explicit Connection(ConnectionOptions options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& server() const { return options_.server; }
  const ConnectionOptions& options() const { return options_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Ends every call, those under way and those to come, with CANCELLED.
  void CancelAll();
  // CancelAll runs `listener` too, and so does this when it comes later; nullptr takes it away, and
  // returns when it runs no more. The listener must not use this connection.
  void SetCancelListener(std::function<void()> listener);

  // A call's outcome as this library reports it: OK, or gRPC's code with StatusSentence's text.
  absl::Status FromGrpc(const grpc::Status& status) const;

 private:
  friend class Call;

  const ConnectionOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  base::Mutex mutex_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> cancel_listener_ ABSL_GUARDED_BY(mutex_);
};

// The context of one call, with the connection's deadline counted from now; CancelAll reaches it.
class Call {
 public:
  explicit Call(Connection& connection);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  grpc::ClientContext* context() { return &context_; }

 private:
  Connection& connection_;
  grpc::ClientContext context_;
};

// One request, one answer.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> UnaryCall(Connection& connection,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                   const Request& request) {
  Stub stub(connection.channel());
  Call call(connection);
  Response response;
  const grpc::Status status = (stub.*method)(call.context(), request, &response);
  SCANSERVE_RETURN_IF_ERROR(connection.FromGrpc(status));
  return response;
}

}  // namespace scanserve::client
