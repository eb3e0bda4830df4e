// What holds between client and server whatever the RPC: limits, compression, retry advice, time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

grpc::Status Tokenize(v1::InferenceService::Stub& stub, grpc::ClientContext& context,
                      const std::string& text) {
  v1::TokenizeRequest request;
  request.mutable_prompt()->set_text(text);
  v1::TokenizeResponse response;
  return stub.Tokenize(&context, request, &response);
}

TEST(WireTest, TheFirstDeltaArrivesBeforeTheLastTokenIsComputed) {
  TestServer server;
  const auto stub = server.NewInference();
  grpc::ClientContext context;
  const auto reader = stub->Generate(&context, GreedyRequest(200));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response) && response.has_started());
  ASSERT_TRUE(reader->Read(&response) && response.has_delta());
  server.gate().Close();
  // What is not computed by now waits behind the gate: the delta came before it.
  const int64_t steps = server.backend().engine().stats().steps;
  EXPECT_LT(steps, 200);
  server.gate().Open();
  bool finished = false;
  while (reader->Read(&response)) finished = finished || response.has_finished();
  EXPECT_TRUE(finished);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_GE(server.backend().engine().stats().steps, 200);
}

TEST(WireTest, AFullQueueSaysWhenToTryAgain) {
  ServerOptions options = TestServer::Options();
  options.engine.state_slots = 1;
  options.engine.queued_requests = 1;
  TestServer server(options);
  const auto stub = server.NewInference();
  grpc::ClientContext running_context;
  const auto running = stub->Generate(&running_context, GreedyRequest(200));
  v1::GenerateResponse response;
  ASSERT_TRUE(running->Read(&response) && response.has_started());
  server.gate().Close();
  grpc::ClientContext waiting_context;
  const auto waiting = stub->Generate(&waiting_context, GreedyRequest(2));
  while (server.backend().engine().stats().queued == 0) std::this_thread::yield();
  const grpc::Status refused = Generate(*stub, GreedyRequest(2)).status;
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::Status details;
  google::rpc::RetryInfo info;
  ASSERT_TRUE(details.ParseFromString(refused.error_details()));
  ASSERT_TRUE(details.details_size() == 1 && details.details(0).UnpackTo(&info));
  EXPECT_GT(info.retry_delay().seconds() * 1'000'000'000 + info.retry_delay().nanos(), 0);
  server.gate().Open();
  while (waiting->Read(&response)) {
  }
  EXPECT_TRUE(waiting->Finish().ok());
  while (running->Read(&response)) {
  }
  EXPECT_TRUE(running->Finish().ok());
}

TEST(WireTest, CompressedMessagesAreRefusedAndTheConnectionGoesOn) {
  TestServer server;
  const auto stub = server.NewInference();
  grpc::ClientContext compressed;
  compressed.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  const grpc::Status status = Tokenize(*stub, compressed, std::string(1 << 20, 'a'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), HasSubstr("'gzip' is disabled"));
  grpc::ClientContext plain;
  EXPECT_TRUE(Tokenize(*stub, plain, "a").ok());
}

TEST(WireTest, MetadataPast16KiBIsRefused) {
  TestServer server;
  const auto stub = server.NewInference();
  grpc::ClientContext small;
  small.AddMetadata("key", std::string(15 << 10, 'x'));
  EXPECT_TRUE(Tokenize(*stub, small, "a").ok());
  grpc::ClientContext large;
  large.AddMetadata("key", std::string(17 << 10, 'x'));
  EXPECT_EQ(Tokenize(*stub, large, "a").error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(WireTest, ARequestEndsByTheServersOwnLimitOfTime) {
  ServerOptions options = TestServer::Options();
  options.max_request_duration = absl::Milliseconds(100);
  TestServer server(options);
  const auto stub = server.NewInference();
  EXPECT_EQ(Generate(*stub, GreedyRequest(4096)).status.error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(WireTest, ACallThatWaitsForItsClientEndsByTheLimitToo) {
  ServerOptions options = TestServer::Options();
  options.max_request_duration = absl::Milliseconds(50);
  TestServer server(options);
  const auto stub = server.NewInference();
  grpc::ClientContext context;
  const auto stream = stub->ComputePerplexity(&context);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(WireTest, AClientThatDoesNotReadLosesItsSlotToTheNext) {
  ServerOptions options = TestServer::Options();
  options.engine.state_slots = 1;
  options.engine.stall_limit = absl::Milliseconds(50);
  TestServer server(options);
  const auto lazy = server.NewInference();
  v1::GenerateRequest large = GreedyRequest(4096);
  large.mutable_sampling()->set_top_logprobs(20);
  grpc::ClientContext context;
  const auto reader = lazy->Generate(&context, large);
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response) && response.has_started());
  // The only slot is the lazy one's until the server takes it away.
  const auto next = server.NewInference();
  EXPECT_TRUE(Generate(*next, GreedyRequest(2)).status.ok());
  // What it is told once it reads on.
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(WireTest, ACancelledCallGivesItsSlotBack) {
  ServerOptions options = TestServer::Options();
  options.engine.state_slots = 1;
  TestServer server(options);
  const auto stub = server.NewInference();
  grpc::ClientContext context;
  const auto reader = stub->Generate(&context, GreedyRequest(4096));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context.TryCancel();
  EXPECT_TRUE(Generate(*server.NewInference(), GreedyRequest(2)).status.ok());
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(WireTest, HealthIsKnownForEachService) {
  TestServer server;
  const auto health = grpc::health::v1::Health::NewStub(server.NewChannel());
  for (const char* service : {"", "scanserve.v1.InferenceService", "scanserve.v1.ScanOrderService",
                              "scanserve.v1.AdapterService", "scanserve.v1.MonitoringService"}) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(health->Check(&context, request, &response).ok()) << service;
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING) << service;
  }
}

}  // namespace
}  // namespace scanserve::server
