#include "client/scanorder/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "core/base/npy.h"
#include "scanserve/v1/inference_service.grpc.pb.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two rows for each document, of values that depend on the document's first character.
class FakeExtraction : public v1::InferenceService::Service {
 public:
  grpc::Status ExtractHiddenStates(
      grpc::ServerContext*, const v1::ExtractHiddenStatesRequest* request,
      grpc::ServerWriter<v1::ExtractHiddenStatesResponse>* writer) override {
    requests.push_back(*request);
    v1::ExtractHiddenStatesResponse response;
    v1::ExtractionStarted& started = *response.mutable_started();
    *started.mutable_in_force() = in_force;
    if (requests.size() > 1 && !second_model_digest.empty()) {
      started.mutable_in_force()->set_model_digest(second_model_digest);
    }
    started.set_rows(2);
    started.set_hidden_size(3);
    const int layer = request->layers_size() > 0 ? request->layers(0) : 11;
    started.add_layers(layer);
    started.set_kind(request->kind());
    started.set_type(request->type());
    writer->Write(response);
    const auto value = static_cast<float>(request->prompt().text()[0]);
    const std::array<float, 6> values = {value, 1, 2, 3, value, 4};
    response.mutable_chunk()->set_layer(layer);
    response.mutable_chunk()->set_rows(2);
    response.mutable_chunk()->set_data(values.data(), sizeof(values));
    writer->Write(response);
    return grpc::Status::OK;
  }

  v1::InForce in_force;
  std::string second_model_digest;
  std::vector<v1::ExtractHiddenStatesRequest> requests;
};

class FakeOrders : public v1::ScanOrderService::Service {
 public:
  grpc::Status UploadScanOrder(grpc::ServerContext*,
                               grpc::ServerReader<v1::UploadScanOrderRequest>* reader,
                               v1::UploadScanOrderResponse* response) override {
    v1::UploadScanOrderRequest request;
    while (reader->Read(&request)) {
      if (request.has_header()) header = request.header();
      npy += request.npy_chunk();
    }
    response->set_created(true);
    response->mutable_order()->set_name(header.name());
    response->mutable_order()->set_version(3);
    return upload_status;
  }

  grpc::Status SetActiveScan(grpc::ServerContext*, const v1::SetActiveScanRequest* request,
                             v1::SetActiveScanResponse* response) override {
    activated.push_back(*request);
    *response->mutable_active()->mutable_setting() = request->setting();
    return grpc::Status::OK;
  }

  v1::UploadScanOrderHeader header;
  std::string npy;
  grpc::Status upload_status;
  std::vector<v1::SetActiveScanRequest> activated;
};

class RunTest : public testing::Test {
 protected:
  RunTest() : server_({&extraction_, &orders_}) {
    extraction_.in_force.set_model_digest(std::string(64, 'a'));
    extraction_.in_force.set_tokenizer_digest(std::string(64, 'b'));
    extraction_.in_force.mutable_scan()->mutable_order()->set_name("identity");
    options_.corpus = folder_.Write("corpus", "a document of some length\nsh\nbut another one\n");
    options_.name = "wiki";
    options_.out = folder_.File("out");
  }

  absl::Status RunIt() {
    std::array<int, 2> ends;
    if (pipe(ends.data()) != 0) std::abort();
    Connection connection(server_.options());
    Output output(ends[1]);
    const Terminal terminal;
    Session session{connection, output, terminal, false};
    const absl::Status status = RunScanOrder(session, options_);
    close(ends[1]);
    std::array<char, 16384> buffer;
    const ssize_t size = read(ends[0], buffer.data(), buffer.size());
    printed_ = std::string(buffer.data(), static_cast<size_t>(size));
    close(ends[0]);
    return status;
  }

  TemporaryFolder folder_;
  FakeExtraction extraction_;
  FakeOrders orders_;
  FakeServer server_;
  RunOptions options_;
  std::string printed_;
};

TEST_F(RunTest, AsksForTheMixersInputUnderIdentityOfTheBaseModel) {
  ASSERT_TRUE(RunIt().ok());
  ASSERT_EQ(extraction_.requests.size(), 2);
  const v1::ExtractHiddenStatesRequest& request = extraction_.requests[1];
  EXPECT_EQ(request.prompt().text(), "but another one");
  EXPECT_TRUE(request.scan().has_identity());
  EXPECT_TRUE(request.adapter().has_base());
  EXPECT_EQ(request.kind(), v1::HIDDEN_STATE_KIND_MIXER_INPUT);
  EXPECT_EQ(request.max_prompt_tokens(), 256);
  EXPECT_EQ(request.layers_size(), 0);
}

TEST_F(RunTest, WritesStatesAndOrderAndUploadsTheSame) {
  ASSERT_TRUE(RunIt().ok());
  const auto states = base::ReadNpyFloatMatrix(options_.out + "/hidden_states.npy", 4096).value();
  EXPECT_EQ(states.rows, 4);
  EXPECT_THAT(states.row(2), ElementsAre('b', 1, 2));
  EXPECT_EQ(folder_.Read("out/scan_order.npy"), orders_.npy);
  EXPECT_TRUE(folder_.Has("out/scan_order_inv.npy"));
  EXPECT_EQ(orders_.header.name(), "wiki");
  EXPECT_THAT(printed_, HasSubstr("hidden states   (4, 3)"));
  EXPECT_THAT(printed_, HasSubstr("wiki@3 stored"));
}

TEST_F(RunTest, SaysHowTheOrderCameAbout) {
  options_.plan.layer = 4;
  options_.plan.adapter.emplace().set_name("kjv");
  extraction_.in_force.mutable_adapter()->set_name("kjv");
  extraction_.in_force.mutable_adapter()->set_digest(std::string(64, 'c'));
  ASSERT_TRUE(RunIt().ok());
  const v1::Provenance& provenance = orders_.header.provenance();
  EXPECT_EQ(provenance.model_digest(), std::string(64, 'a'));
  EXPECT_EQ(provenance.tokenizer_digest(), std::string(64, 'b'));
  EXPECT_EQ(provenance.adapter_digest(), std::string(64, 'c'));
  EXPECT_EQ(provenance.layer(), 4);
  EXPECT_EQ(provenance.rows(), 4);
  EXPECT_EQ(provenance.rows_used(), 4);
  EXPECT_EQ(provenance.method(), "nearest-neighbour");
  EXPECT_EQ(provenance.seed(), 0);
  EXPECT_EQ(provenance.corpus_digest().size(), 64);
  EXPECT_GT(provenance.natural_length(), 0);
  EXPECT_GT(provenance.created().seconds(), 0);
  EXPECT_THAT(provenance.program(), HasSubstr("scanorder "));
}

TEST_F(RunTest, NamesTheMethodThatFoundTheShortestTourAndItsSeed) {
  options_.tour.methods = {order::TourMethod::kTwoOpt, order::TourMethod::kOr3Opt};
  options_.tour.metric = order::RowMetric::kEuclid;
  options_.tour.iterations = 10;
  options_.tour.seed = 7;
  // In natural order from 0: the last row is near the first.
  options_.corpus = folder_.Write("corpus", "a line of text\nzzzzzzzzzzzz\nb line of text\n");
  ASSERT_TRUE(RunIt().ok());
  EXPECT_EQ(orders_.header.provenance().seed(), 7);
  EXPECT_THAT(printed_, HasSubstr(orders_.header.provenance().method()));
  EXPECT_THAT(printed_, HasSubstr("or-3opt"));
}

TEST_F(RunTest, ReportsOnLinesThatTheOrderWasNotComputedFrom) {
  options_.rule.max_documents = 1;
  options_.report = folder_.File("report.html");
  options_.report_documents = 0;
  ASSERT_TRUE(RunIt().ok());
  ASSERT_EQ(extraction_.requests.size(), 1);
  EXPECT_THAT(folder_.Read("report.html"), HasSubstr("<h1>Scan order wiki@3</h1>"));
  EXPECT_THAT(printed_, HasSubstr("report.html"));
  // The second line is scored; this server cannot.
  options_.report_documents = 5;
  EXPECT_EQ(RunIt().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(extraction_.requests.size(), 2);
}

TEST_F(RunTest, ActivatesTheVersionThatItStoredOnlyWhenAsked) {
  ASSERT_TRUE(RunIt().ok());
  EXPECT_TRUE(orders_.activated.empty());
  options_.activate = true;
  ASSERT_TRUE(RunIt().ok());
  ASSERT_EQ(orders_.activated.size(), 1);
  EXPECT_EQ(orders_.activated[0].setting().order().name(), "wiki");
  EXPECT_EQ(orders_.activated[0].setting().order().version(), 3);
}

TEST_F(RunTest, RefusesStatesOfAnotherOrder) {
  extraction_.in_force.mutable_scan()->mutable_order()->set_name("active");
  EXPECT_EQ(RunIt().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(orders_.npy, "");
}

TEST_F(RunTest, RefusesStatesOfAnotherAdapter) {
  extraction_.in_force.mutable_adapter()->set_name("kjv");
  EXPECT_EQ(RunIt().code(), absl::StatusCode::kFailedPrecondition);
  options_.plan.adapter.emplace().set_name("devil");
  EXPECT_EQ(RunIt().code(), absl::StatusCode::kFailedPrecondition);
  extraction_.in_force.clear_adapter();
  EXPECT_EQ(RunIt().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RunTest, RefusesAModelThatChangesBetweenDocuments) {
  extraction_.second_model_digest = std::string(64, 'd');
  const absl::Status status = RunIt();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("changed between two documents"));
}

TEST_F(RunTest, KeepsTheFilesWhenTheUploadFails) {
  orders_.upload_status = grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "wiki: other content");
  EXPECT_EQ(RunIt().message(), "ALREADY_EXISTS: wiki: other content");
  EXPECT_TRUE(folder_.Has("out/scan_order.npy"));
}

}  // namespace
}  // namespace scanserve::client
