#include "client/scanorder/order_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "scanserve/v1/inference_service.grpc.pb.h"
#include "tests/client/fake_server.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;

// As many targets as a document has bytes, from position 1 on. Under an order they cost half a nat
// more, and the odd positions are leaked, the others causal.
class FakeScoring : public v1::InferenceService::Service {
 public:
  grpc::Status ComputePerplexity(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ComputePerplexityResponse, v1::ComputePerplexityRequest>* stream)
      override {
    v1::ComputePerplexityRequest request;
    stream->Read(&request);
    settings.push_back(request.settings());
    const bool permuted = request.settings().scan().has_setting();
    for (int64_t index = 0; stream->Read(&request); ++index) {
      v1::ComputePerplexityResponse response;
      v1::TokenScores& scores = *response.mutable_tokens();
      scores.set_index(index + index_offset);
      const auto count = static_cast<int64_t>(request.document().content().text().size());
      for (int64_t position = 1; position <= count; ++position) {
        scores.add_positions(position);
        scores.add_nlls(permuted ? 2.5F : 2.0F);
        scores.add_classes(permuted && position % 2 == 1 ? v1::TARGET_CLASS_LEAKED
                                                         : v1::TARGET_CLASS_CAUSAL);
      }
      stream->Write(response);
      response.mutable_document()->set_index(index);
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  int64_t index_offset = 0;
  std::vector<v1::PerplexitySettings> settings;
};

class OrderEvaluationTest : public testing::Test {
 protected:
  OrderEvaluationTest() : server_({&scoring_}), connection_(server_.options()) {
    plan_.order.set_name("wiki");
    plan_.prefix_tokens = 3;
  }

  absl::StatusOr<std::vector<TargetComparison>> Compare(const std::vector<std::string>& documents) {
    ProgressBar bar(Terminal(), "", "", 0);
    return CompareWithIdentity(connection_, documents, plan_, bar);
  }

  FakeScoring scoring_;
  FakeServer server_;
  Connection connection_;
  EvaluationPlan plan_;
};

TEST_F(OrderEvaluationTest, ComparesTheSameTargetsByClassUnderTheOrder) {
  const auto comparisons = Compare({"abcde", "abcdef"}).value();
  ASSERT_EQ(comparisons.size(), 3);
  EXPECT_EQ(comparisons[0].targets, "continuation after 3 tokens");
  EXPECT_EQ(comparisons[0].tokens, 2 + 3);  // positions 4 and 5, and 4 to 6
  EXPECT_TRUE(comparisons[0].causal);
  EXPECT_EQ(comparisons[1].targets, "full window, causal");
  EXPECT_EQ(comparisons[1].tokens, 2 + 3);  // positions 2 and 4, and 2, 4, 6
  EXPECT_EQ(comparisons[2].targets, "full window, leaked");
  EXPECT_EQ(comparisons[2].tokens, 3 + 3);
  EXPECT_FALSE(comparisons[2].causal);
  for (const TargetComparison& each : comparisons) {
    EXPECT_EQ(each.documents, 2);
    EXPECT_NEAR(each.identity.value, std::exp(2.0), 1e-9);
    EXPECT_NEAR(each.order.value, std::exp(2.5), 1e-9);
    EXPECT_NEAR(each.ratio.value, std::exp(0.5), 1e-9);
  }
}

TEST_F(OrderEvaluationTest, AsksForBothModesUnderBothArmsWithOneAdapter) {
  plan_.adapter.emplace().set_name("kjv");
  ASSERT_TRUE(Compare({"abcde"}).ok());
  std::vector<bool> permuted;
  for (const v1::PerplexitySettings& settings : scoring_.settings) {
    EXPECT_EQ(settings.adapter().ref().name(), "kjv");
    EXPECT_TRUE(settings.per_token());
    permuted.push_back(settings.scan().has_setting());
    EXPECT_NE(settings.scan().has_setting(), settings.scan().has_identity());
  }
  EXPECT_THAT(permuted, ElementsAre(false, true, false, true));
  EXPECT_EQ(scoring_.settings[1].mode(), v1::PERPLEXITY_MODE_CONTINUATION);
  EXPECT_EQ(scoring_.settings[1].prefix_tokens(), 3);
  EXPECT_EQ(scoring_.settings[1].scan().setting().order().name(), "wiki");
  EXPECT_EQ(scoring_.settings[3].mode(), v1::PERPLEXITY_MODE_FULL_WINDOW);
}

TEST_F(OrderEvaluationTest, RefusesScoresOfADocumentThatItDidNotSend) {
  scoring_.index_offset = 1;
  EXPECT_TRUE(absl::IsDataLoss(Compare({"abcde"}).status()));
}

void ExpectEstimate(const Estimate& estimate, double value, double low, double high) {
  EXPECT_NEAR(estimate.value, value, 1e-9 * value);
  EXPECT_NEAR(estimate.low, low, 1e-4 * low);
  EXPECT_NEAR(estimate.high, high, 1e-4 * high);
}

// numpy and scipy.stats.t.ppf: m = sum(x) / sum(n), se = sqrt(k / (k - 1) sum (x - m n)^2) / sum(n)
// over the k documents with targets, exp(m), exp(m -+ t se).
TEST(SummariseTest, EqualsNumPyAndSciPy) {
  const DocumentSums sums[] = {
      {30, 28, 10}, {55.5, 57, 20}, {12.25, 11, 5}, {0, 0, 0}, {80, 76.5, 30}};
  const TargetComparison comparison = Summarise("x", true, sums);
  EXPECT_EQ(comparison.documents, 4);
  EXPECT_EQ(comparison.tokens, 65);
  ExpectEstimate(comparison.identity, 15.403817751158698, 12.47868245767823, 19.014635729023865);
  ExpectEstimate(comparison.order, 14.20858207953191, 10.29990448014242, 19.60055116045152);
  ExpectEstimate(comparison.ratio, 0.9224065299307453, 0.7522909522585608, 1.1309903487533228);
}

TEST(SummariseTest, HasNoIntervalForOneDocument) {
  const DocumentSums sums[] = {{30, 28, 10}, {0, 0, 0}};
  const TargetComparison comparison = Summarise("x", true, sums);
  EXPECT_NEAR(comparison.identity.value, std::exp(3), 1e-9);
  EXPECT_TRUE(std::isinf(comparison.ratio.low) && std::isinf(comparison.ratio.high));
}

TEST(SummariseTest, CountsNothingWhereThereIsNoTarget) {
  EXPECT_EQ(Summarise("x", true, {}).tokens, 0);
}

}  // namespace
}  // namespace scanserve::client
