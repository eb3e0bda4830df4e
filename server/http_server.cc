#include "server/http_server.h"

#include <civetweb.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "server/break_connections.h"
#include "server/listen_probe.h"
#include "server/log.h"
#include "server/server_options.h"

namespace scanserve::server {
namespace {

// A connection has a thread from its beginning to its end. A page takes milliseconds.
constexpr char kThreads[] = "16";
// Above it clients that keep a thread waiting lose it, so that a few are always free.
constexpr size_t kConnectionsLeftAlone = 12;
// From here on it is remembered who came first, which takes a look at each descriptor.
constexpr size_t kConnectionsUnwatched = 4;
// What waits for a thread waits in the kernel, where it is not taken for one that has a thread.
constexpr char kWaitingConnections[] = "1";
constexpr char kMaxRequestBytes[] = "8192";
// Of what CivetWeb says.
constexpr size_t kMaxMessageBytes = 1'024;

HttpReply Failure(int status, absl::string_view word) {
  HttpReply reply;
  reply.status = status;
  reply.body = absl::StrCat(word, "\n");
  return reply;
}

int Send(mg_connection* connection, const HttpReply& reply, bool with_body) {
  mg_response_header_start(connection, reply.status);
  mg_response_header_add(connection, "Content-Type", reply.content_type.c_str(), -1);
  mg_response_header_add(connection, "Content-Length", absl::StrCat(reply.body.size()).c_str(), -1);
  mg_response_header_add(connection, "Cache-Control", "no-store", -1);
  if (reply.status == 401) {
    mg_response_header_add(connection, "WWW-Authenticate", "Bearer", -1);
  } else if (reply.status == 405) {
    mg_response_header_add(connection, "Allow", "GET, HEAD", -1);
  }
  mg_response_header_send(connection);
  if (with_body) mg_write(connection, reply.body.data(), reply.body.size());
  return reply.status;
}

int LogFromCivetweb(const mg_connection*, const char* message) {
  LogWarning("http", {LogField::Whole("message", LoggedText(message, kMaxMessageBytes))});
  return 1;
}

class HttpServerImpl final : public HttpServer {
 public:
  HttpServerImpl(std::vector<HttpPage> pages, Authorize authorize, absl::Duration patience)
      : pages_(std::move(pages)), authorize_(std::move(authorize)), patience_(patience) {
    mg_init_library(0);
  }

  ~HttpServerImpl() override {
    if (port_ > 0) {
      // CivetWeb looks every two seconds whether it should stop, unless its sockets wake it.
      StopListening(port_);
      BreakConnections(port_);
    }
    if (context_ != nullptr) mg_stop(context_);
    mg_exit_library();
  }

  absl::Status Start(const std::string& listen) {
    SCANSERVE_ASSIGN_OR_RETURN(const auto address, ParseListen(listen));
    // CivetWeb says no more than that it failed; the reason has to be found out.
    SCANSERVE_RETURN_IF_ERROR(ProbeListen(address.first, address.second));
    const std::string timeout = absl::StrCat(absl::ToInt64Milliseconds(patience_));
    const char* options[] = {"listening_ports",
                             listen.c_str(),
                             "num_threads",
                             kThreads,
                             "connection_queue",
                             kWaitingConnections,
                             "request_timeout_ms",
                             timeout.c_str(),
                             "max_request_size",
                             kMaxRequestBytes,
                             "enable_keep_alive",
                             "no",
                             nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = [](mg_connection* connection) {
      return Of(connection).Answer(connection);
    };
    callbacks.init_connection = [](const mg_connection* connection, void**) {
      Of(connection).Begin();
      return 0;
    };
    callbacks.connection_close = [](const mg_connection* connection) { Of(connection).End(); };
    callbacks.log_message = LogFromCivetweb;
    context_ = mg_start(&callbacks, this, options);
    mg_server_port port{};
    if (context_ == nullptr || mg_get_server_ports(context_, 1, &port) != 1) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", listen));
    }
    port_ = port.port;
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  static HttpServerImpl& Of(const mg_connection* connection) {
    return *static_cast<HttpServerImpl*>(mg_get_user_data(mg_get_context(connection)));
  }

  // A thread has taken a connection, and will now read its request.
  void Begin() {
    base::MutexLock lock(mutex_);
    if (++connections_ > kConnectionsUnwatched && port_ > 0) {
      limit_.Look(port_, kConnectionsLeftAlone, answered_);
    }
  }

  void End() {
    base::MutexLock lock(mutex_);
    --connections_;
  }

  int Answer(mg_connection* connection) {
    const mg_request_info& request = *mg_get_request_info(connection);
    {
      base::MutexLock lock(mutex_);
      answered_.insert(request.remote_port);
    }
    const HttpReply reply = Reply(connection, request);
    {
      base::MutexLock lock(mutex_);
      answered_.erase(answered_.find(request.remote_port));
    }
    return Send(connection, reply, absl::string_view(request.request_method) != "HEAD");
  }

  HttpReply Reply(mg_connection* connection, const mg_request_info& request) const {
    const absl::string_view method = request.request_method;
    if (method != "GET" && method != "HEAD") return Failure(405, "only GET and HEAD");
    const absl::string_view path = request.local_uri;
    const auto page = std::ranges::find(pages_, path, &HttpPage::path);
    if (page == pages_.end()) return Failure(404, "no such page");
    if (authorize_ != nullptr) {
      const char* authorization = mg_get_header(connection, "Authorization");
      const absl::Status allowed = authorize_(
          {page->access, authorization == nullptr ? "" : authorization, request.remote_addr});
      if (absl::IsUnauthenticated(allowed)) return Failure(401, "unauthenticated");
      if (!allowed.ok()) return Failure(403, "forbidden");
    }
    return page->make();
  }

  const std::vector<HttpPage> pages_;
  const Authorize authorize_;
  const absl::Duration patience_;
  mg_context* context_ = nullptr;
  // Threads of the port read it from their start on.
  std::atomic<int> port_ = 0;
  base::Mutex mutex_;
  size_t connections_ ABSL_GUARDED_BY(mutex_) = 0;
  // The ports of clients whose pages are being made.
  std::multiset<int> answered_ ABSL_GUARDED_BY(mutex_);
  ConnectionLimit limit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Open(const std::string& listen,
                                                             std::vector<HttpPage> pages,
                                                             Authorize authorize,
                                                             absl::Duration patience) {
  auto server = std::make_unique<HttpServerImpl>(std::move(pages), std::move(authorize), patience);
  SCANSERVE_RETURN_IF_ERROR(server->Start(listen));
  return server;
}

}  // namespace scanserve::server
