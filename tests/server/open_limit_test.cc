// What open calls keep in memory is bounded, whatever their clients do.
#include "server/open_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "core/base/retry_delay.h"
#include "tests/server/scan_order_client.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

TEST(OpenLimitTest, RefusesWhatIsTooManyAndTellsWhenToTryAgain) {
  OpenLimit limit(2, "doors");
  absl::StatusOr<OpenLimit::Place> one = limit.Enter(), two = limit.Enter();
  ASSERT_TRUE(one.ok() && two.ok());
  const absl::Status refused = limit.Enter().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.message(), "2 doors are open, which is all");
  EXPECT_EQ(base::RetryDelay(refused), absl::Seconds(1));
  one->reset();
  EXPECT_TRUE(limit.Enter().ok());
}

template <typename Open>
void ExpectAtMostOne(TestServer& server, Open open) {
  const auto stub = server.NewInference();
  grpc::ClientContext first_context;
  const auto first = open(*stub, first_context);
  while (server.backend().open_scorings().open() == 0) std::this_thread::yield();
  grpc::ClientContext second_context;
  const auto second = open(*stub, second_context);
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first->WritesDone();
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << "no settings";
  while (server.backend().open_scorings().open() > 0) std::this_thread::yield();
}

TEST(OpenLimitTest, PerplexityAndComparisonCallsShareOne) {
  ServerOptions options = TestServer::Options();
  options.limits.open_scorings = 1;
  TestServer server(options);
  ExpectAtMostOne(server, [](v1::InferenceService::Stub& stub, grpc::ClientContext& context) {
    return stub.ComputePerplexity(&context);
  });
  ExpectAtMostOne(server, [](v1::InferenceService::Stub& stub, grpc::ClientContext& context) {
    return stub.Compare(&context);
  });
}

// Larger than what a connection takes before its client reads.
void UploadLongOrder(v1::ScanOrderService::Stub& orders) {
  std::vector<int32_t> entries(120'000);
  std::iota(entries.rbegin(), entries.rend(), 0);
  UploadOrder(orders, "long", entries);
}

v1::DownloadScanOrderRequest LongOrder() {
  v1::DownloadScanOrderRequest request;
  request.mutable_order()->set_name("long");
  return request;
}

grpc::StatusCode Download(v1::ScanOrderService::Stub& orders) {
  grpc::ClientContext context;
  const auto reader = orders.DownloadScanOrder(&context, LongOrder());
  v1::DownloadScanOrderResponse response;
  while (reader->Read(&response)) {
  }
  return reader->Finish().error_code();
}

grpc::StatusCode DownloadOnceThereIsAPlace(v1::ScanOrderService::Stub& orders) {
  for (;;) {
    const grpc::StatusCode code = Download(orders);
    if (code != grpc::StatusCode::RESOURCE_EXHAUSTED) return code;
  }
}

TEST(OpenLimitTest, DownloadsHaveOne) {
  ServerOptions options = TestServer::Options();
  options.limits.open_downloads = 1;
  TestServer server(options);
  const auto orders = server.NewScanOrders();
  UploadLongOrder(*orders);
  grpc::ClientContext lazy_context;
  const auto lazy = orders->DownloadScanOrder(&lazy_context, LongOrder());
  v1::DownloadScanOrderResponse response;
  ASSERT_TRUE(lazy->Read(&response));
  EXPECT_EQ(Download(*orders), grpc::StatusCode::RESOURCE_EXHAUSTED);
  lazy_context.TryCancel();
  EXPECT_EQ(lazy->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(DownloadOnceThereIsAPlace(*orders), grpc::StatusCode::OK);
}

TEST(OpenLimitTest, ADownloadThatIsNotReadLosesItsPlace) {
  ServerOptions options = TestServer::Options();
  options.limits.open_downloads = 1;
  options.engine.stall_limit = absl::Milliseconds(50);
  TestServer server(options);
  const auto orders = server.NewScanOrders();
  UploadLongOrder(*orders);
  grpc::ClientContext lazy_context;
  const auto lazy = orders->DownloadScanOrder(&lazy_context, LongOrder());
  while (server.backend().open_downloads().open() == 0) std::this_thread::yield();
  EXPECT_EQ(DownloadOnceThereIsAPlace(*orders), grpc::StatusCode::OK);
  v1::DownloadScanOrderResponse response;
  while (lazy->Read(&response)) {
  }
  EXPECT_EQ(lazy->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(OpenLimitTest, ADocumentWithoutTokensWaitsForAClientThatReads) {
  // Of more bytes, with their names, than gRPC takes for a client that does not read.
  constexpr int64_t kDocuments = 600'000;
  TestServer server;
  const auto stub = server.NewInference();
  grpc::ClientContext context;
  const auto stream = stub->ComputePerplexity(&context);
  std::atomic<int64_t> sent{0};
  std::thread writer([&] {
    v1::ComputePerplexityRequest request;
    request.mutable_settings()->set_mode(v1::PERPLEXITY_MODE_FULL_WINDOW);
    bool open = stream->Write(request);
    request.mutable_document()->mutable_content()->set_text("");
    request.mutable_document()->set_document_id(std::string(64, 'x'));
    for (; open && sent < kDocuments; ++sent) open = stream->Write(request);
  });
  // Until the server takes no more.
  for (int64_t before = -1; before != sent; absl::SleepFor(absl::Seconds(2))) before = sent;
  EXPECT_LT(sent, kDocuments / 2);
  context.TryCancel();
  writer.join();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace scanserve::server
