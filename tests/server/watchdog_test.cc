// An engine that makes no steps, as balancers and probes see it.
#include "server/watchdog.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/http_pages.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using HealthStatus = grpc::health::v1::HealthCheckResponse;

constexpr absl::Duration kInterval = absl::Milliseconds(1);

// A server that takes one request at a time, and two who ask: the first is held in its first step,
// the second waits.
class WatchdogTest : public testing::Test {
 protected:
  ~WatchdogTest() override { LetGo(); }

  void HoldTwo() {
    server_.gate().Close();
    for (GenerateResult& answer : answers_) {
      clients_.emplace_back([this, &answer] { answer = Generate(*stub_, GreedyRequest(3)); });
    }
  }

  void LetGo() {
    server_.gate().Open();
    for (std::thread& client : clients_) client.join();
    clients_.clear();
  }

  const runtime::Engine& engine() { return server_.backend().engine(); }

  // As a probe with this timeout would be answered: the statuses of both pages.
  std::map<std::string, int> Probe(absl::Duration liveness_timeout) {
    Readiness readiness(liveness_timeout);
    readiness.Serve(engine());
    std::map<std::string, int> answers;
    for (const HttpPage& page : HttpPages(readiness, server_.registry())) {
      if (page.access == HttpAccess::kOpen) answers[page.path] = page.make().status;
    }
    return answers;
  }

  HealthStatus::ServingStatus Health(const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    HealthStatus response;
    const grpc::Status status = health_->Check(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  bool HealthBecomes(HealthStatus::ServingStatus wanted) {
    const absl::Time limit = absl::Now() + absl::Minutes(1);
    while (Health("") != wanted || Health("scanserve.v1.InferenceService") != wanted) {
      if (absl::Now() > limit) return false;
      std::this_thread::yield();
    }
    return true;
  }

  void WaitUntilOneWaits() {
    while (engine().stats().queued == 0) std::this_thread::yield();
  }

  static ServerOptions OneSlot() {
    ServerOptions options = TestServer::Options();
    options.engine.state_slots = 1;
    return options;
  }

  TestServer server_{OneSlot()};
  const std::shared_ptr<grpc::Channel> channel_ = server_.NewChannel();
  const std::unique_ptr<v1::InferenceService::Stub> stub_ = v1::InferenceService::NewStub(channel_);
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_ =
      grpc::health::v1::Health::NewStub(server_.NewChannel());
  std::array<GenerateResult, 2> answers_;
  std::vector<std::thread> clients_;
};

const std::map<std::string, int> kGood = {{"/healthz", 200}, {"/readyz", 200}};
const std::map<std::string, int> kStuck = {{"/healthz", 503}, {"/readyz", 503}};

TEST_F(WatchdogTest, ReportsAStuckEngineUntilItGoesOn) {
  // Whatever waits, waits too long.
  Readiness readiness{absl::ZeroDuration()};
  readiness.Serve(engine());
  const Watchdog watchdog(readiness, server_.grpc_server(), kInterval);
  EXPECT_EQ(Health(""), HealthStatus::SERVING);
  EXPECT_EQ(Probe(absl::ZeroDuration()), kGood);
  HoldTwo();
  EXPECT_TRUE(HealthBecomes(HealthStatus::NOT_SERVING));
  EXPECT_EQ(Probe(absl::ZeroDuration()), kStuck);
  LetGo();
  for (const GenerateResult& answer : answers_) EXPECT_TRUE(answer.status.ok());
  EXPECT_TRUE(HealthBecomes(HealthStatus::SERVING));
  EXPECT_EQ(Probe(absl::ZeroDuration()), kGood);
}

TEST_F(WatchdogTest, WaitsForTheTimeout) {
  Readiness readiness{absl::Hours(1)};
  readiness.Serve(engine());
  const Watchdog watchdog(readiness, server_.grpc_server(), kInterval);
  HoldTwo();
  WaitUntilOneWaits();
  EXPECT_EQ(Probe(absl::ZeroDuration()), kStuck);
  EXPECT_EQ(Probe(absl::Hours(1)), kGood);
  EXPECT_EQ(Health(""), HealthStatus::SERVING);
}

TEST_F(WatchdogTest, DoesNotBarkAtAnEngineWithoutWork) {
  server_.gate().Close();
  EXPECT_EQ(engine().stats().queued, 0);
  EXPECT_EQ(Probe(absl::ZeroDuration()), kGood);
}

}  // namespace
}  // namespace scanserve::server
