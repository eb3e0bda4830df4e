// StreamMetrics over the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "server/convert_time.h"
#include "tests/server/metric_values.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

// One stream of its own connection.
class MetricsStream {
 public:
  explicit MetricsStream(TestServer& server, absl::Duration interval = absl::Milliseconds(100))
      : stub_(server.NewMonitoring()) {
    v1::StreamMetricsRequest request;
    *request.mutable_interval() = DurationToProto(interval);
    reader_ = stub_->StreamMetrics(&context_, request);
  }

  bool Read() { return reader_->Read(&response); }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

  v1::StreamMetricsResponse response;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::MonitoringService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::StreamMetricsResponse>> reader_;
};

double StreamsOpen(const TestServer& server) {
  return SumOf(server.registry(), "scanserve_open_requests", {{"method", "StreamMetrics"}});
}

TEST(StreamMetricsTest, SendsTheFamiliesOfAScrapeAgainAndAgain) {
  TestServer server;
  ASSERT_TRUE(Generate(*server.NewInference(), GreedyRequest(3)).status.ok());
  MetricsStream stream(server);
  absl::Time last = absl::InfinitePast();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream.Read());
    EXPECT_TRUE(stream.response.complete());
    const absl::Time time = TimestampFromProto(stream.response.time());
    EXPECT_GT(time, last);
    last = time;
  }
  std::set<std::string> streamed, scraped;
  for (const auto& family : stream.response.families()) {
    streamed.insert(family.name());
    if (family.name() != "scanserve_generated_tokens_total") continue;
    EXPECT_EQ(family.type(), v1::METRIC_TYPE_COUNTER);
    EXPECT_EQ(family.metrics(0).value(), 3);
  }
  for (const auto& family : server.registry().Collect()) scraped.insert(family.name);
  EXPECT_EQ(streamed, scraped);
}

TEST(StreamMetricsTest, FirstSnapshotDoesNotWaitForTheInterval) {
  TestServer server;
  MetricsStream stream(server, absl::Hours(1));
  EXPECT_TRUE(stream.Read());
  stream.Cancel();
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (StreamsOpen(server) > 0) std::this_thread::yield();
}

TEST(StreamMetricsTest, AClientThatDoesNotReadLosesItsPlace) {
  ServerOptions options = TestServer::Options();
  options.engine.stall_limit = absl::Milliseconds(50);
  TestServer server(options);
  // What waits for it fills its connection's window.
  MetricsStream stream(server);
  while (StreamsOpen(server) == 0) std::this_thread::yield();
  while (StreamsOpen(server) > 0) std::this_thread::yield();
  while (stream.Read()) {
  }
  const grpc::StatusCode code = stream.Finish().error_code();
  EXPECT_TRUE(code == grpc::StatusCode::CANCELLED || code == grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(StreamMetricsTest, EndsWhenTheServerStops) {
  TestServer server;
  MetricsStream idle(server, absl::Hours(1));
  MetricsStream busy(server);
  ASSERT_TRUE(idle.Read() && busy.Read());
  server.Stop();
  while (busy.Read()) {
  }
  EXPECT_FALSE(idle.Read());
  EXPECT_EQ(idle.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(busy.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(StreamsOpen(server), 0);
}

TEST(StreamMetricsTest, DoesNotKeepTheServerFromStopping) {
  ServerOptions options = TestServer::Options();
  options.drain_deadline = absl::Hours(1);
  TestServer server(options);
  MetricsStream unread(server);
  ASSERT_TRUE(unread.Read());
  server.Stop();  // returns, though nobody reads on
}

TEST(StreamMetricsTest, RefusesIntervalsOutOfRange) {
  TestServer server;
  MetricsStream stream(server, absl::Milliseconds(10));
  EXPECT_FALSE(stream.Read());
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("interval: 10ms, expected 100ms to 1h"));
}

TEST(StreamMetricsTest, RefusesMoreStreamsThanItServes) {
  TestServer server;
  std::vector<std::unique_ptr<MetricsStream>> streams;
  for (int i = 0; i < 8; ++i) {
    streams.push_back(std::make_unique<MetricsStream>(server, absl::Hours(1)));
    ASSERT_TRUE(streams.back()->Read());
  }
  MetricsStream one_more(server);
  EXPECT_FALSE(one_more.Read());
  EXPECT_EQ(one_more.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  streams.back()->Cancel();
  streams.back()->Finish();
  while (StreamsOpen(server) > 7) std::this_thread::yield();
  // The place is free once the call is gone, a moment after it was counted.
  for (;;) {
    MetricsStream again(server, absl::Hours(1));
    if (again.Read()) break;
    EXPECT_EQ(again.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

}  // namespace
}  // namespace scanserve::server
