#include "client/hidden_states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "scanserve/v1/inference_service.grpc.pb.h"
#include "tests/client/fake_server.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;

// Sends what the test has prepared.
class FakeExtraction : public v1::InferenceService::Service {
 public:
  grpc::Status ExtractHiddenStates(
      grpc::ServerContext*, const v1::ExtractHiddenStatesRequest*,
      grpc::ServerWriter<v1::ExtractHiddenStatesResponse>* writer) override {
    for (const auto& response : responses) writer->Write(response);
    return status;
  }

  v1::ExtractionStarted& AddStarted(int64_t rows, int64_t hidden_size,
                                    const std::vector<int>& layers) {
    auto& started = *responses.emplace_back().mutable_started();
    started.set_rows(rows);
    started.set_hidden_size(hidden_size);
    for (const int layer : layers) started.add_layers(layer);
    started.set_kind(v1::HIDDEN_STATE_KIND_MIXER_INPUT);
    started.set_type(v1::HIDDEN_STATE_TYPE_FLOAT32);
    return started;
  }

  void AddChunk(int layer, int64_t rows, const std::string& data) {
    auto& chunk = *responses.emplace_back().mutable_chunk();
    chunk.set_layer(layer);
    chunk.set_rows(rows);
    chunk.set_data(data);
  }

  std::vector<v1::ExtractHiddenStatesResponse> responses;
  grpc::Status status;
};

std::string Bytes(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

class HiddenStatesTest : public testing::Test {
 protected:
  absl::Status Extract() {
    FakeServer server({&service_});
    Connection connection(server.options());
    HiddenStatesSink sink;
    sink.on_started = [this](const v1::ExtractionStarted&) { return on_started_; };
    sink.on_values = [this](absl::string_view values) {
      const size_t count = received_.size();
      received_.resize(count + values.size() / sizeof(float));
      std::memcpy(received_.data() + count, values.data(), values.size());
      return absl::OkStatus();
    };
    return ExtractHiddenStates(connection, v1::ExtractHiddenStatesRequest(), sink);
  }

  FakeExtraction service_;
  absl::Status on_started_;
  std::vector<float> received_;
};

TEST_F(HiddenStatesTest, HandsOutTheValuesOfAllLayersInOrder) {
  service_.AddStarted(2, 2, {3, 5});
  service_.AddChunk(3, 1, Bytes({1, 2}));
  service_.AddChunk(3, 1, Bytes({3, 4}));
  service_.AddChunk(5, 2, Bytes({5, 6, 7, 8}));
  ASSERT_TRUE(Extract().ok());
  EXPECT_THAT(received_, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(HiddenStatesTest, WidensBfloat16WithoutLoss) {
  service_.AddStarted(1, 2, {0}).set_type(v1::HIDDEN_STATE_TYPE_BFLOAT16);
  service_.AddChunk(0, 1, std::string("\x80\x3F\x20\xC0", 4));
  ASSERT_TRUE(Extract().ok());
  EXPECT_THAT(received_, ElementsAre(1.0F, -2.5F));
}

TEST_F(HiddenStatesTest, RefusesTooFewRows) {
  service_.AddStarted(2, 2, {0});
  service_.AddChunk(0, 1, Bytes({1, 2}));
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HiddenStatesTest, RefusesTooManyRows) {
  service_.AddStarted(1, 2, {0});
  service_.AddChunk(0, 1, Bytes({1, 2}));
  service_.AddChunk(0, 1, Bytes({3, 4}));
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(received_, ElementsAre(1, 2));
}

TEST_F(HiddenStatesTest, RefusesAChunkOfMoreRowsThanAreLeft) {
  service_.AddStarted(3, 2, {0});
  service_.AddChunk(0, 2, Bytes({1, 2, 3, 4}));
  service_.AddChunk(0, 2, Bytes({5, 6, 7, 8}));
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(received_, ElementsAre(1, 2, 3, 4));
}

TEST_F(HiddenStatesTest, RefusesAnotherLayerThanAnnounced) {
  service_.AddStarted(1, 2, {0});
  service_.AddChunk(1, 1, Bytes({1, 2}));
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HiddenStatesTest, RefusesBytesThatAreNoWholeRows) {
  service_.AddStarted(1, 2, {0});
  service_.AddChunk(0, 1, Bytes({1}));
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HiddenStatesTest, RefusesValuesBeforeTheirShape) {
  service_.AddChunk(0, 1, Bytes({1, 2}));
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HiddenStatesTest, RefusesAShapeThatNoMemoryHolds) {
  service_.AddStarted(int64_t{1} << 62, int64_t{1} << 62, {0, 1});
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HiddenStatesTest, RefusesAnAnswerWithoutContent) {
  EXPECT_EQ(Extract().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HiddenStatesTest, ReportsTheServersErrorBeforeWhatIsMissing) {
  service_.AddStarted(2, 2, {0});
  service_.status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the reader stalled");
  EXPECT_EQ(Extract().message(), "RESOURCE_EXHAUSTED: the reader stalled");
}

TEST_F(HiddenStatesTest, EndsWithTheErrorOfTheSink) {
  service_.AddStarted(1, 2, {0});
  service_.AddChunk(0, 1, Bytes({1, 2}));
  on_started_ = absl::UnavailableError("disk full");
  EXPECT_EQ(Extract(), on_started_);
  EXPECT_TRUE(received_.empty());
}

}  // namespace
}  // namespace scanserve::client
