// Collections of old scan orders, and orders of other models, over the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/scan_order_client.h"

namespace scanserve::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// An order of its own for each number.
std::vector<int32_t> Rotated(int number) {
  std::vector<int32_t> order;
  for (int32_t k = 0; k < 24; ++k) order.push_back((k + 1 + number) % 24);
  return order;
}

v1::ScanChoice ByName(const std::string& name, int64_t version) {
  v1::ScanChoice scan;
  scan.mutable_setting()->mutable_order()->set_name(name);
  scan.mutable_setting()->mutable_order()->set_version(version);
  return scan;
}

class CollectWireTest : public testing::Test {
 protected:
  CollectWireTest() : orders_(server_.NewScanOrders()), inference_(server_.NewInference()) {}

  v1::CollectScanOrdersResponse Collect(int keep, bool dry_run = false) {
    v1::CollectScanOrdersRequest request;
    request.set_keep_versions(keep);
    request.set_dry_run(dry_run);
    v1::CollectScanOrdersResponse response;
    grpc::ClientContext context;
    const grpc::Status status = orders_->CollectScanOrders(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static std::vector<std::string> Fates(const v1::CollectScanOrdersResponse& response) {
    std::vector<std::string> fates;
    for (const v1::CollectedScanOrder& each : response.orders()) {
      fates.push_back(absl::StrCat(each.order().name(), "@", each.order().version(), " ",
                                   v1::CollectFate_Name(each.fate()).substr(13)));
      EXPECT_EQ(each.order().digest().size(), 64u);
    }
    return fates;
  }

  grpc::Status Activate(const std::string& name, int64_t version, bool force = false) {
    v1::SetActiveScanRequest request;
    *request.mutable_setting() = ByName(name, version).setting();
    request.set_force(force);
    v1::SetActiveScanResponse response;
    grpc::ClientContext context;
    return orders_->SetActiveScan(&context, request, &response);
  }

  TestServer server_;
  const std::unique_ptr<v1::ScanOrderService::Stub> orders_;
  const std::unique_ptr<v1::InferenceService::Stub> inference_;
};

TEST_F(CollectWireTest, SaysWhatItRemovedAndWhyItKeptTheRest) {
  for (int i = 0; i < 5; ++i) UploadOrder(*orders_, "a", Rotated(i));
  ASSERT_TRUE(Activate("a", 2).ok());
  ASSERT_TRUE(Activate("a", 3).ok());
  const v1::CollectScanOrdersResponse said = Collect(1, /*dry_run=*/true);
  const v1::CollectScanOrdersResponse done = Collect(1);
  EXPECT_THAT(Fates(done), ElementsAre("a@1 REMOVED", "a@2 KEPT_ROLLBACK", "a@3 KEPT_ACTIVE",
                                       "a@4 REMOVED", "a@5 KEPT_NEWEST"));
  EXPECT_EQ(Fates(said), Fates(done));
  EXPECT_EQ(done.removed_versions(), 2);
  EXPECT_GT(done.removed_bytes(), 2 * 2 * 24);
  EXPECT_EQ(said.removed_bytes(), done.removed_bytes());
  v1::GenerateRequest request = GreedyRequest(2);
  *request.mutable_scan() = ByName("a", 1);
  EXPECT_EQ(Generate(*inference_, request).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(CollectWireTest, RefusesToKeepNone) {
  v1::CollectScanOrdersRequest request;
  v1::CollectScanOrdersResponse response;
  for (const int keep : {0, 1001}) {
    request.set_keep_versions(keep);
    grpc::ClientContext context;
    const grpc::Status status = orders_->CollectScanOrders(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("keep_versions"));
  }
}

TEST_F(CollectWireTest, KeepsTheOrderOfARequestInFlight) {
  UploadOrder(*orders_, "a", Rotated(0));
  UploadOrder(*orders_, "a", Rotated(1));
  v1::GenerateRequest request = GreedyRequest(8);
  *request.mutable_scan() = ByName("a", 1);
  const GenerateResult quiet = Generate(*inference_, request);
  server_.gate().Close();
  server_.gate().Let(1);
  grpc::ClientContext context;
  const auto reader = inference_->Generate(&context, request);
  v1::GenerateResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_THAT(Fates(Collect(1)), ElementsAre("a@1 KEPT_IN_USE", "a@2 KEPT_NEWEST"));
  server_.gate().Open();
  std::string text;
  while (reader->Read(&event)) text += event.delta().text();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(text, quiet.text);
  ASSERT_TRUE(server_.lifecycle().WaitForCalls(absl::InfiniteFuture()));
  EXPECT_THAT(Fates(Collect(1)), ElementsAre("a@1 REMOVED", "a@2 KEPT_NEWEST"));
}

// Requests, uploads and switches all the time, and collections among them.
TEST_F(CollectWireTest, RacesWithRequestsAndSwitches) {
  UploadOrder(*orders_, "a", Rotated(0));
  ASSERT_TRUE(Activate("a", 1).ok());
  std::atomic<bool> stop = false;
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      const auto stub = server_.NewInference();
      while (!stop) {
        const GenerateResult result = Generate(*stub, GreedyRequest(2));
        ASSERT_TRUE(result.status.ok()) << result.status.error_message();
        EXPECT_EQ(result.started.in_force().scan().order().name(), "a");
        ++answered;
      }
    });
  }
  std::thread collector([&] {
    while (!stop) Collect(1);
  });
  for (int i = 1; i < 20; ++i) {
    UploadOrder(*orders_, "a", Rotated(i));
    const grpc::Status status = Activate("a", 0);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (i % 4 != 0) continue;
    v1::RollbackActiveScanResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(orders_->RollbackActiveScan(&context, {}, &response).ok());
  }
  const int before = answered;
  while (answered < before + 2) std::this_thread::yield();
  stop = true;
  for (std::thread& client : clients) client.join();
  collector.join();
  ASSERT_TRUE(server_.lifecycle().WaitForCalls(absl::InfiniteFuture()));
  Collect(1);
  for (const std::string& fate : Fates(Collect(1, /*dry_run=*/true))) {
    EXPECT_THAT(fate, testing::Not(HasSubstr("REMOVED")));
  }
}

TEST_F(CollectWireTest, AnOrderOfAnotherModelIsUsedOnlyWhereItWasForced) {
  v1::UploadScanOrderHeader header;
  header.set_name("foreign");
  header.mutable_provenance()->set_model_digest(std::string(64, 'a'));
  EXPECT_EQ(UploadOrder(*orders_, header, Rotated(0)).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  // As a store has it that served another model before.
  order::Provenance provenance;
  provenance.model_digest = std::string(64, 'a');
  ASSERT_TRUE(server_.backend()
                  .store()
                  .Put("foreign", base::FormatNpyIntegers(Rotated(0)), provenance, true)
                  .ok());
  v1::GenerateRequest request = GreedyRequest(2);
  *request.mutable_scan() = ByName("foreign", 0);
  const grpc::Status refused = Generate(*inference_, request).status;
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("order foreign version 1"));
  EXPECT_THAT(refused.error_message(), HasSubstr("model aaaaaaaaaaaa"));
  EXPECT_EQ(Activate("foreign", 0).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(Activate("foreign", 0, /*force=*/true).ok());
  // Whoever names nothing gets what was activated; whoever names it is told.
  EXPECT_TRUE(Generate(*inference_, GreedyRequest(2)).status.ok());
  EXPECT_FALSE(Generate(*inference_, request).status.ok());

  header.clear_provenance();
  header.set_force(true);
  ASSERT_TRUE(UploadOrder(*orders_, header, Rotated(0)).ok());
  const GenerateResult used = Generate(*inference_, request);
  EXPECT_TRUE(used.status.ok()) << used.status.error_message();
  EXPECT_EQ(used.started.in_force().scan().order().version(), 1);
}

}  // namespace
}  // namespace scanserve::server
