#include "client/connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "absl/time/clock.h"
#include "client/status_sentence.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "scanserve/v1/inference_service.grpc.pb.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"
#include "tests/client/fake_server.h"

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Answers with a status that the test sets; Generate sends one delta, then waits to be cancelled.
class FakeInference : public v1::InferenceService::Service {
 public:
  grpc::Status Tokenize(grpc::ServerContext*, const v1::TokenizeRequest*,
                        v1::TokenizeResponse* response) override {
    response->add_token_ids(5);
    return status;
  }

  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest*,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    v1::GenerateResponse response;
    response.mutable_delta()->set_text("first");
    writer->Write(response);
    while (!context->IsCancelled()) std::this_thread::yield();
    cancelled.set_value();
    return grpc::Status::CANCELLED;
  }

  grpc::Status status;
  std::promise<void> cancelled;
};

absl::Status Tokenize(Connection& connection) {
  return UnaryCall(connection, &v1::InferenceService::Stub::Tokenize, v1::TokenizeRequest())
      .status();
}

// A port of this machine on which nothing listens: it is bound, so that nobody else gets it.
class UnusedPort {
 public:
  UnusedPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    socklen_t size = sizeof(address);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~UnusedPort() { close(socket_); }
  int port() const { return port_; }
  // From now on connections are accepted by the system, and nothing answers on them.
  void ListenInSilence() { listen(socket_, 8); }

 private:
  const int socket_;
  int port_ = 0;
};

TEST(ConnectionTest, AddsTheDefaultPortWhereNoneIsNamed) {
  EXPECT_EQ(WithDefaultPort("example.org"), "example.org:50051");
  EXPECT_EQ(WithDefaultPort("example.org:80"), "example.org:80");
  EXPECT_EQ(WithDefaultPort("[::1]"), "[::1]:50051");
  EXPECT_EQ(WithDefaultPort("[::1]:80"), "[::1]:80");
  EXPECT_EQ(WithDefaultPort("unix:/run/scanserve"), "unix:/run/scanserve");
}

TEST(ConnectionTest, ReturnsTheAnswer) {
  FakeInference service;
  FakeServer server({&service});
  Connection connection(server.options());
  const auto response =
      UnaryCall(connection, &v1::InferenceService::Stub::Tokenize, v1::TokenizeRequest());
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->token_ids(0), 5);
}

TEST(ConnectionTest, KeepsTheServersCodeAndMessage) {
  FakeInference service;
  service.status = grpc::Status(grpc::StatusCode::NOT_FOUND, "no order \"x\"");
  FakeServer server({&service});
  Connection connection(server.options());
  const absl::Status status = Tokenize(connection);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "NOT_FOUND: no order \"x\"");
}

TEST(ConnectionTest, ShowsWhenARetryMaySucceed) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::Status details;
  details.add_details()->PackFrom(retry);
  FakeInference service;
  service.status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full",
                                details.SerializeAsString());
  FakeServer server({&service});
  Connection connection(server.options());
  EXPECT_EQ(Tokenize(connection).message(),
            "RESOURCE_EXHAUSTED: the queue is full (try again in 2.5 s)");
}

TEST(ConnectionTest, SaysAtOnceThatNoServerIsThere) {
  const UnusedPort port;
  Connection connection({.server = absl::StrCat("127.0.0.1:", port.port())});
  const absl::Time begin = absl::Now();
  const absl::Status status = Tokenize(connection);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), absl::StrCat("no server answers at 127.0.0.1:", port.port(),
                                           ": start one with scanserve-server, or name another "
                                           "with --server"));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
}

TEST(ConnectionTest, GivesUpOnAPortThatNeverSpeaks) {
  UnusedPort port;
  port.ListenInSilence();
  Connection connection({.server = absl::StrCat("127.0.0.1:", port.port()),
                         .timeout = absl::InfiniteDuration(),
                         .connect_timeout = absl::Milliseconds(300)});
  const absl::Status status = Tokenize(connection);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), StartsWith("no server answers at"));
}

TEST(ConnectionTest, NamesACallThatTheServerDoesNotKnow) {
  FakeInference service;
  FakeServer server({&service});
  Connection connection(server.options());
  const auto response = UnaryCall(connection, &v1::MonitoringService::Stub::GetServerInfo,
                                  v1::GetServerInfoRequest());
  EXPECT_EQ(response.status().message(),
            absl::StrCat("UNIMPLEMENTED: ", server.address(), " does not know this call"));
}

TEST(ConnectionTest, EndsACallAtItsTimeout) {
  FakeInference service;
  FakeServer server({&service});
  Connection connection({.server = server.address(), .timeout = absl::Milliseconds(200)});
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto reader = stub.Generate(call.context(), v1::GenerateRequest());
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
  }
  const absl::Status status = connection.FromGrpc(reader->Finish());
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--timeout"));
  service.cancelled.get_future().wait();
}

TEST(ConnectionTest, CancelAllEndsACallThatIsUnderWayAndTheServerLearnsOfIt) {
  FakeInference service;
  FakeServer server({&service});
  Connection connection(server.options());
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto reader = stub.Generate(call.context(), v1::GenerateRequest());
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.delta().text(), "first");
  connection.CancelAll();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(connection.FromGrpc(reader->Finish()).code(), absl::StatusCode::kCancelled);
  service.cancelled.get_future().wait();
}

TEST(ConnectionTest, CancelAllAlsoEndsCallsThatCome) {
  FakeInference service;
  FakeServer server({&service});
  Connection connection(server.options());
  connection.CancelAll();
  EXPECT_EQ(Tokenize(connection).code(), absl::StatusCode::kCancelled);
}

TEST(ConnectionTest, CancelAllTellsTheListenerThatIsSet) {
  Connection connection({});
  int told = 0;
  connection.SetCancelListener([&told] { ++told; });
  connection.SetCancelListener(nullptr);
  connection.CancelAll();
  EXPECT_EQ(told, 0);
  // One that comes late is told at once.
  connection.SetCancelListener([&told] { ++told; });
  EXPECT_EQ(told, 1);
  connection.CancelAll();
  EXPECT_EQ(told, 2);
}

TEST(ConnectionTest, SaysThatTheServerWentAwayInTheMiddle) {
  FakeInference service;
  auto server = std::make_unique<FakeServer>(std::vector<grpc::Service*>{&service});
  Connection connection(server->options());
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto reader = stub.Generate(call.context(), v1::GenerateRequest());
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  server.reset();
  EXPECT_FALSE(reader->Read(&response));
  const absl::Status status = connection.FromGrpc(reader->Finish());
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(status.message().empty());
}

}  // namespace
}  // namespace scanserve::client
