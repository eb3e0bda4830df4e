#include "server/http_server.h"

#include <civetweb.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/status_macros.h"
#include "server/break_connections.h"
#include "server/listen_probe.h"
#include "server/log.h"
#include "server/server_options.h"

namespace scanserve::server {
namespace {

// A page takes milliseconds; more clients than threads wait in the queue.
constexpr char kThreads[] = "8";
constexpr char kWaitingConnections[] = "32";
// For a client to send its request and to take the answer.
constexpr char kTimeoutMilliseconds[] = "3000";
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
  HttpServerImpl(std::vector<HttpPage> pages, Authorize authorize)
      : pages_(std::move(pages)), authorize_(std::move(authorize)) {
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
    const char* options[] = {"listening_ports",
                             listen.c_str(),
                             "num_threads",
                             kThreads,
                             "connection_queue",
                             kWaitingConnections,
                             "request_timeout_ms",
                             kTimeoutMilliseconds,
                             "max_request_size",
                             kMaxRequestBytes,
                             "enable_keep_alive",
                             "no",
                             nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = [](mg_connection* connection) {
      auto* server = static_cast<HttpServerImpl*>(mg_get_user_data(mg_get_context(connection)));
      return server->Answer(connection);
    };
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
  int Answer(mg_connection* connection) const {
    const mg_request_info& request = *mg_get_request_info(connection);
    const absl::string_view method = request.request_method;
    return Send(connection, Reply(connection, request), method != "HEAD");
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
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Open(const std::string& listen,
                                                             std::vector<HttpPage> pages,
                                                             Authorize authorize) {
  auto server = std::make_unique<HttpServerImpl>(std::move(pages), std::move(authorize));
  SCANSERVE_RETURN_IF_ERROR(server->Start(listen));
  return server;
}

}  // namespace scanserve::server
