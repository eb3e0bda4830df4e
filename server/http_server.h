// The HTTP port, for what does not speak gRPC: a few pages, read only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace scanserve::server {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Who may read a page.
enum class HttpAccess { kOpen, kMetrics };

struct HttpPage {
  std::string path;
  HttpAccess access = HttpAccess::kOpen;
  // Called on any of the port's threads, several at a time.
  std::function<HttpReply()> make;
};

// What decides about a request. `authorization` is its header, empty without one.
struct HttpRequest {
  HttpAccess access = HttpAccess::kOpen;
  std::string authorization;
  std::string peer;  // host
};

class HttpServer {
 public:
  // UNAUTHENTICATED answers 401, any other error 403; neither says more.
  using Authorize = std::function<absl::Status(const HttpRequest&)>;

  // For a client to send its request and to take the answer.
  static constexpr absl::Duration kPatience = absl::Seconds(3);

  // Opens the port and answers GET and HEAD. `authorize`, which may be null, is asked before each
  // page, on any thread. Connections that wait for their clients end after `patience`; while more
  // than 12 are open the oldest of them end before, to make room. UNAVAILABLE with one sentence
  // when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Open(const std::string& listen,
                                                          std::vector<HttpPage> pages,
                                                          Authorize authorize,
                                                          absl::Duration patience = kPatience);
  // Closes the port; returns when no page is being made.
  virtual ~HttpServer() = default;

  // The one in use, also when port 0 was asked for.
  virtual int port() const = 0;
};

}  // namespace scanserve::server
