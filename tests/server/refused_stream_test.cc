// Clients that leave at the moment at which their call is refused.
#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

constexpr int kClients = 4;
constexpr int kCallsPerClient = 2'000;
constexpr int kMaxDelayMicroseconds = 400;

template <typename Open>
void CancelAtOnce(const TestServer& server, unsigned seed, Open open) {
  const auto stub = server.NewInference();
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> delay(0, kMaxDelayMicroseconds);
  for (int i = 0; i < kCallsPerClient; ++i) {
    grpc::ClientContext context;
    const auto stream = open(*stub, context);
    absl::SleepFor(absl::Microseconds(delay(random)));
    context.TryCancel();
    const grpc::StatusCode code = stream->Finish().error_code();
    EXPECT_TRUE(code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::CANCELLED);
  }
}

template <typename Open>
void RefuseMany(Open open) {
  TestServer server;
  server.lifecycle().RefuseCalls();
  std::vector<std::thread> clients;
  for (unsigned client = 0; client < kClients; ++client) {
    clients.emplace_back([&server, client, open] { CancelAtOnce(server, client, open); });
  }
  for (std::thread& client : clients) client.join();
}

TEST(RefusedStreamTest, EndsOnceWhenItsClientLeavesAComputePerplexity) {
  RefuseMany([](v1::InferenceService::Stub& stub, grpc::ClientContext& context) {
    return stub.ComputePerplexity(&context);
  });
}

TEST(RefusedStreamTest, EndsOnceWhenItsClientLeavesACompare) {
  RefuseMany([](v1::InferenceService::Stub& stub, grpc::ClientContext& context) {
    return stub.Compare(&context);
  });
}

TEST(RefusedStreamTest, EndsOnceWhenItsClientLeavesAGenerate) {
  RefuseMany([](v1::InferenceService::Stub& stub, grpc::ClientContext& context) {
    return stub.Generate(&context, GreedyRequest(1));
  });
}

}  // namespace
}  // namespace scanserve::server
