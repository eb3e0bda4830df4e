// How the server stops.

#include "server/drain.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using HealthStatus = grpc::health::v1::HealthCheckResponse;

grpc::Status Info(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::GetServerInfoResponse response;
  return v1::MonitoringService::NewStub(channel)->GetServerInfo(&context, {}, &response);
}

// A health watch, as a balancer holds one.
class Watch {
 public:
  explicit Watch(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(grpc::health::v1::Health::NewStub(channel)), reader_(stub_->Watch(&context_, {})) {}

  HealthStatus::ServingStatus Next() {
    HealthStatus response;
    return reader_->Read(&response) ? response.status() : HealthStatus::UNKNOWN;
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<HealthStatus>> reader_;
};

TEST(DrainTest, RunningCallsEndAndNewOnesAreUnavailable) {
  TestServer server;
  const auto channel = server.NewChannel();
  Watch watch(channel);
  ASSERT_EQ(watch.Next(), HealthStatus::SERVING);
  const auto stub = server.NewInference();
  grpc::ClientContext context;
  const auto reader = stub->Generate(&context, GreedyRequest(50));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response) && response.has_started());
  server.gate().Close();
  std::thread stop([&] { server.Stop(); });
  EXPECT_EQ(watch.Next(), HealthStatus::NOT_SERVING);
  // The port is open still: the answer is ours.
  grpc::Status status = Info(channel);
  while (status.ok()) status = Info(channel);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the server is stopping");
  server.gate().Open();
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  const absl::Time ended = absl::Now();
  stop.join();
  EXPECT_LT(absl::Now() - ended, absl::Seconds(1));
}

TEST(DrainTest, TheServerServesOnUntilTheDelayIsOver) {
  ServerOptions options = TestServer::Options();
  options.drain_delay = absl::Hours(1);
  TestServer server(options);
  const auto channel = server.NewChannel();
  Watch watch(channel);
  ASSERT_EQ(watch.Next(), HealthStatus::SERVING);
  server.lifecycle().RequestStop();
  std::thread stop([&] { server.Stop(); });
  EXPECT_EQ(watch.Next(), HealthStatus::NOT_SERVING);
  EXPECT_TRUE(Info(channel).ok());
  server.lifecycle().RequestStop();
  stop.join();
}

TEST(DrainTest, CallsThatDoNotEndAreEndedAtTheDeadline) {
  ServerOptions options = TestServer::Options();
  options.drain_deadline = absl::Milliseconds(50);
  TestServer server(options);
  const auto inference = server.NewInference();
  grpc::ClientContext idle_context;
  const auto idle = inference->ComputePerplexity(&idle_context);
  v1::ComputePerplexityRequest settings;
  settings.mutable_settings();
  ASSERT_TRUE(idle->Write(settings));
  v1::ComputePerplexityResponse started;
  ASSERT_TRUE(idle->Read(&started));
  grpc::ClientContext long_context;
  const auto reader = inference->Generate(&long_context, GreedyRequest(4096));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  std::thread stop([&] { server.Stop(); });
  // In our words: a broken connection is UNAVAILABLE too.
  const grpc::Status idle_status = idle->Finish();
  EXPECT_EQ(idle_status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(idle_status.error_message(), "the server is stopping");
  while (reader->Read(&response)) {
  }
  const grpc::Status long_status = reader->Finish();
  EXPECT_EQ(long_status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(long_status.error_message(), "the server is stopping");
  stop.join();
}

TEST(DrainTest, AClientThatDoesNotReadDoesNotKeepTheServer) {
  ServerOptions options = TestServer::Options();
  options.drain_deadline = absl::Milliseconds(50);
  TestServer server(options);
  const auto inference = server.NewInference();
  grpc::ClientContext context;
  v1::GenerateRequest large = GreedyRequest(4096);
  large.mutable_sampling()->set_top_logprobs(20);
  const auto reader = inference->Generate(&context, large);
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const absl::Time begin = absl::Now();
  server.Stop();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
  while (reader->Read(&response)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

}  // namespace
}  // namespace scanserve::server
