#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Sends `text` to a port of this machine. Whoever reads waits for a minute at most.
base::FileDescriptor Send(int port, const std::string& text) {
  base::FileDescriptor socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit = {.tv_sec = 60, .tv_usec = 0};
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      send(socket_fd.get(), text.data(), text.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(text.size())) {
    return {};
  }
  return socket_fd;
}

// What comes until the server closes.
std::string Rest(const base::FileDescriptor& socket_fd) {
  std::string answer;
  char part[4096];
  for (ssize_t n = 0; (n = recv(socket_fd.get(), part, sizeof(part), 0)) > 0;) {
    answer.append(part, static_cast<size_t>(n));
  }
  return answer;
}

std::string Exchange(int port, const std::string& text) {
  const base::FileDescriptor socket_fd = Send(port, text);
  return socket_fd.valid() ? Rest(socket_fd) : "not sent";
}

std::string Request(const std::string& method, const std::string& path,
                    const std::string& headers = "") {
  return absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: test\r\n", headers, "\r\n");
}

class HttpServerTest : public testing::Test {
 protected:
  void Open(HttpServer::Authorize authorize = nullptr,
            absl::Duration patience = HttpServer::kPatience) {
    const auto page = [](int status, const std::string& body) {
      return [status, body] {
        HttpReply reply;
        reply.status = status;
        reply.body = body;
        return reply;
      };
    };
    auto server =
        HttpServer::Open("127.0.0.1:0",
                         {{"/open", HttpAccess::kOpen, page(200, "good\n")},
                          {"/bad", HttpAccess::kOpen, page(503, "not good\n")},
                          {"/large", HttpAccess::kOpen, page(200, std::string(16 << 20, '-'))},
                          {"/slow", HttpAccess::kOpen, [this] { return MakeSlowly(); }},
                          {"/closed", HttpAccess::kMetrics, page(200, "secret\n")}},
                         std::move(authorize), patience);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::string Get(const std::string& path, const std::string& headers = "") {
    return Exchange(server_->port(), Request("GET", path, headers));
  }

  // Until it may.
  HttpReply MakeSlowly() {
    slow_.fetch_add(1);
    may_end_.wait(false);
    HttpReply reply;
    reply.body = "at last\n";
    return reply;
  }

  std::atomic<int> slow_ = 0;
  std::atomic<bool> may_end_ = false;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersWithItsPages) {
  Open();
  EXPECT_THAT(Get("/open"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/open?verbose=1"), HasSubstr("\r\n\r\ngood\n"));
  EXPECT_THAT(Get("/bad"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Get("/elsewhere"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/../open/../../etc/passwd"), Not(HasSubstr("root:")));
}

TEST_F(HttpServerTest, SendsTheHeaderAloneForHead) {
  Open();
  const std::string answer = Exchange(server_->port(), Request("HEAD", "/open"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, RefusesWhatDoesNotRead) {
  Open();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    EXPECT_THAT(Exchange(server_->port(), Request(method, "/open", "Content-Length: 0\r\n")),
                StartsWith("HTTP/1.1 405"))
        << method;
  }
}

TEST_F(HttpServerTest, RefusesARequestThatIsTooLong) {
  Open();
  EXPECT_THAT(Get("/open", absl::StrCat("X: ", std::string(64 << 10, 'x'), "\r\n")),
              Not(HasSubstr("good")));
  EXPECT_THAT(Get("/open"), HasSubstr("good"));
}

TEST_F(HttpServerTest, AsksWhoMayReadAPage) {
  Open([](const HttpRequest& request) -> absl::Status {
    EXPECT_EQ(request.peer, "127.0.0.1");
    if (request.access == HttpAccess::kOpen) return absl::OkStatus();
    if (request.authorization.empty()) return absl::UnauthenticatedError("who?");
    if (request.authorization == "Bearer right") return absl::OkStatus();
    return absl::PermissionDeniedError("token infer-7 lacks the role");
  });
  EXPECT_THAT(Get("/open"), HasSubstr("good"));
  const std::string unknown = Get("/closed");
  EXPECT_THAT(unknown, StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(unknown, HasSubstr("WWW-Authenticate: Bearer"));
  const std::string wrong = Get("/closed", "Authorization: Bearer wrong\r\n");
  EXPECT_THAT(wrong, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(wrong, Not(HasSubstr("infer-7")));
  EXPECT_THAT(Get("/closed", "Authorization: Bearer right\r\n"), HasSubstr("secret"));
}

TEST_F(HttpServerTest, SaysThatItsPortIsTaken) {
  Open();
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  const absl::Status second = HttpServer::Open(address, {}, nullptr).status();
  EXPECT_TRUE(absl::IsUnavailable(second));
  EXPECT_EQ(second.message(),
            absl::StrCat("cannot listen on ", address, ": Address already in use"));
}

// Clients that the server would wait for far longer than this test takes.
TEST_F(HttpServerTest, ServesOthersWhileManyClientsKeepItWaiting) {
  const std::string half = "GET /open HTTP/1.1\r\nHost: te";
  for (const std::string& sent : {std::string(), half, Request("GET", "/large")}) {
    Open(nullptr, absl::Hours(1));
    std::vector<base::FileDescriptor> clients;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(Send(server_->port(), sent));
      ASSERT_TRUE(clients.back().valid());
    }
    for (int i = 0; i < 20; ++i) ASSERT_THAT(Get("/open"), HasSubstr("good")) << sent;
    server_.reset();
  }
}

TEST_F(HttpServerTest, LetsGoOfNobodyWhilePagesAreMadeOrFewKeepItWaiting) {
  Open(nullptr, absl::Hours(1));
  const base::FileDescriptor slow = Send(server_->port(), Request("GET", "/slow"));
  while (slow_.load() < 1) {
  }
  const base::FileDescriptor patient = Send(server_->port(), "");
  for (int i = 0; i < 100; ++i) ASSERT_THAT(Get("/open"), HasSubstr("good"));
  // It is still there.
  const std::string text = Request("GET", "/open");
  ASSERT_EQ(send(patient.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
  EXPECT_THAT(Rest(patient), HasSubstr("good"));
  std::vector<base::FileDescriptor> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(Send(server_->port(), ""));
  EXPECT_THAT(Get("/open"), HasSubstr("good"));
  may_end_ = true;
  may_end_.notify_all();
  EXPECT_THAT(Rest(slow), HasSubstr("at last"));
}

}  // namespace
}  // namespace scanserve::server
