// What calls over the wire leave behind in the metrics.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "core/base/npy.h"
#include "server/readiness.h"
#include "tests/server/metric_values.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

// Long enough for any machine.
absl::Time Soon() { return absl::Now() + absl::Seconds(60); }

constexpr const char* kGaugesThatRest[] = {
    "scanserve_open_requests", "scanserve_running_sequences", "scanserve_queued_requests",
    "scanserve_queued_tokens", "scanserve_state_slots_used",  "scanserve_parked_requests",
    "scanserve_parked_bytes",  "scanserve_extraction_bytes"};

void ExpectAtRest(TestServer& server) {
  ASSERT_TRUE(server.lifecycle().WaitForCalls(Soon()));
  for (const char* gauge : kGaugesThatRest) {
    EXPECT_FALSE(SeriesOf(server.registry(), gauge).empty()) << gauge;
    EXPECT_EQ(SumOf(server.registry(), gauge), 0) << gauge;
  }
}

TEST(MetricsWireTest, CountersEqualWhatWasSent) {
  TestServer server;
  const auto stub = server.NewInference();
  double prompt_tokens = 0;
  v1::GenerateRequest request = GreedyRequest(9);
  for (int i = 0; i < 3; ++i) {
    const GenerateResult result = Generate(*stub, request);
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    prompt_tokens += static_cast<double>(result.started.prompt_tokens());
  }
  request.mutable_sampling()->set_n(2);
  request.mutable_sampling()->set_max_new_tokens(4);
  ASSERT_TRUE(Generate(*stub, request).status.ok());
  request.mutable_sampling()->set_n(0);
  EXPECT_EQ(Generate(*stub, request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  const MetricRegistry& registry = server.registry();
  const LabelValues generate = {{"method", "Generate"}};
  EXPECT_EQ(SumOf(registry, "scanserve_requests_total", {{"code", "OK"}, {"order", "identity"}}),
            4);
  EXPECT_EQ(SumOf(registry, "scanserve_requests_total", {{"code", "INVALID_ARGUMENT"}}), 1);
  EXPECT_EQ(SumOf(registry, "scanserve_request_duration_seconds", generate), 5);
  EXPECT_EQ(SumOf(registry, "scanserve_queue_time_seconds", generate), 4);
  EXPECT_EQ(SumOf(registry, "scanserve_time_to_first_token_seconds", generate), 4);
  EXPECT_EQ(SumOf(registry, "scanserve_generated_tokens_total", {{"adapter", "base"}}),
            3 * 9 + 2 * 4);
  // One less than tokens, for each answer.
  EXPECT_EQ(SumOf(registry, "scanserve_inter_token_latency_seconds"), 3 * 8 + 2 * 3);
  EXPECT_EQ(SumOf(registry, "scanserve_prompt_tokens_total"), prompt_tokens * 4 / 3);
  EXPECT_EQ(SumOf(registry, "scanserve_step_tokens"), SumOf(registry, "scanserve_steps_total"));
  EXPECT_EQ(SumOf(registry, "scanserve_cache_lookups_total"), 4);
  EXPECT_EQ(SumOf(registry, "scanserve_cached_tokens_total") +
                SumOf(registry, "scanserve_missed_tokens_total"),
            prompt_tokens * 4 / 3);
  EXPECT_GT(SumOf(registry, "scanserve_last_step_timestamp_seconds"),
            absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) - 60);
  ExpectAtRest(server);
}

TEST(MetricsWireTest, NoTokensGiveNoLatencies) {
  TestServer server;
  v1::GenerateRequest request = GreedyRequest(0);
  request.set_echo(true);
  ASSERT_TRUE(Generate(*server.NewInference(), request).status.ok());
  EXPECT_EQ(SumOf(server.registry(), "scanserve_queue_time_seconds"), 1);
  EXPECT_EQ(SumOf(server.registry(), "scanserve_time_to_first_token_seconds"), 0);
  EXPECT_EQ(SumOf(server.registry(), "scanserve_generated_tokens_total"), 0);
}

TEST(MetricsWireTest, GaugesReturnToZeroAfterFailures) {
  ServerOptions options = TestServer::Options();
  options.engine.state_slots = 1;
  options.engine.queued_requests = 1;
  TestServer server(options);
  const auto stub = server.NewInference();
  server.gate().Close();

  grpc::ClientContext running_context;
  const auto running = stub->Generate(&running_context, GreedyRequest(500));
  v1::GenerateResponse response;
  ASSERT_TRUE(running->Read(&response));  // it has its slot
  grpc::ClientContext queued_context;
  queued_context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
  const auto queued = stub->Generate(&queued_context, GreedyRequest(5));
  const LabelValues normal = {{"priority", "normal"}};
  // The engine tells its client of the slot a moment before it tells the gauge.
  while (SumOf(server.registry(), "scanserve_queued_requests", normal) < 1 ||
         SumOf(server.registry(), "scanserve_state_slots_used") < 1) {
    std::this_thread::yield();
  }
  EXPECT_EQ(SumOf(server.registry(), "scanserve_state_slots_used"), 1);
  EXPECT_EQ(SumOf(server.registry(), "scanserve_open_requests"), 2);

  EXPECT_EQ(Generate(*stub, GreedyRequest(5)).status.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  server.gate().Let(2);
  EXPECT_FALSE(queued->Read(&response));
  EXPECT_EQ(queued->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  running_context.TryCancel();
  EXPECT_EQ(running->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server.gate().Open();
  ExpectAtRest(server);
  const MetricRegistry& registry = server.registry();
  EXPECT_EQ(SumOf(registry, "scanserve_requests_total"), 3);
  EXPECT_EQ(SumOf(registry, "scanserve_requests_total", {{"code", "RESOURCE_EXHAUSTED"}}), 1);
  EXPECT_EQ(SumOf(registry, "scanserve_requests_rejected_total", {{"reason", "overload"}}), 1);
  EXPECT_EQ(SumOf(registry, "scanserve_requests_rejected_total"), 1);
  EXPECT_EQ(SumOf(registry, "scanserve_request_duration_seconds"), 3);
  EXPECT_EQ(SumOf(registry, "scanserve_queue_time_seconds"), 1);
}

TEST(MetricsWireTest, CallsDuringTheDrainAreCountedAsTurnedAway) {
  TestServer server;
  const auto stub = server.NewInference();
  server.lifecycle().RefuseCalls();
  EXPECT_EQ(Generate(*stub, GreedyRequest(5)).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(SumOf(server.registry(), "scanserve_requests_rejected_total",
                  {{"method", "Generate"}, {"reason", "draining"}}),
            1);
}

TEST(MetricsWireTest, OneSeriesTellsTheActiveSettingWhileItIsSwitched) {
  TestServer server;
  const auto orders = server.NewScanOrders();
  const auto activate = [&](const char* name) {
    v1::SetActiveScanRequest request;
    request.mutable_setting()->mutable_order()->set_name(name);
    v1::SetActiveScanResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(orders->SetActiveScan(&context, request, &response).ok());
  };
  for (const char* name : {"first", "second"}) {
    grpc::ClientContext context;
    v1::UploadScanOrderResponse response;
    const auto writer = orders->UploadScanOrder(&context, &response);
    v1::UploadScanOrderRequest part;
    part.mutable_header()->set_name(name);
    writer->Write(part);
    part.set_npy_chunk(base::FormatNpyIntegers(std::vector<int64_t>{1, 0}));
    writer->Write(part);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  std::atomic<bool> done{false};
  std::thread scraper([&] {
    while (!done) {
      ASSERT_EQ(SeriesOf(server.registry(), "scanserve_active_scan_info").size(), 1u);
    }
  });
  for (int i = 0; i < 10; ++i) activate(i % 2 == 0 ? "first" : "second");
  done = true;
  scraper.join();
  activate("second");  // is active already
  EXPECT_EQ(SumOf(server.registry(), "scanserve_active_scan_info", {{"order", "second"}}), 1);
  EXPECT_EQ(SumOf(server.registry(), "scanserve_order_switches_total"), 10);
  EXPECT_EQ(SumOf(server.registry(), "scanserve_active_scan_revision"), 10);
}

TEST(MetricsWireTest, AnEngineThatDoesNotStepIsStuckUntilItDoes) {
  ServerOptions options = TestServer::Options();
  options.engine.state_slots = 1;
  TestServer server(options);
  Readiness readiness(absl::Milliseconds(50));
  readiness.Serve(server.backend().engine());
  const auto stub = server.NewInference();
  server.gate().Close();
  grpc::ClientContext first_context, second_context;
  const auto first = stub->Generate(&first_context, GreedyRequest(2));
  v1::GenerateResponse response;
  ASSERT_TRUE(first->Read(&response));
  EXPECT_FALSE(readiness.stuck());  // nothing waits
  const auto second = stub->Generate(&second_context, GreedyRequest(2));
  const absl::Time limit = Soon();
  while (!readiness.stuck() && absl::Now() < limit) std::this_thread::yield();
  EXPECT_EQ(readiness.state(), Readiness::State::kStuck);
  server.gate().Open();
  while (first->Read(&response)) {
  }
  while (second->Read(&response)) {
  }
  EXPECT_TRUE(second->Finish().ok());
  EXPECT_EQ(readiness.state(), Readiness::State::kReady);
}

}  // namespace
}  // namespace scanserve::server
