// Compare over the wire, on the embedded model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/npy.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

constexpr int kWords = 24;

// A text of its own for each number, longer than kPrefix tokens.
std::string Text(int number) {
  static const char* const words[] = {"river", "church", "valley", "army",
                                      "song",  "the",    "was",    "in"};
  std::string text = "The";
  unsigned state = static_cast<unsigned>(number) * 2654435761U + 1;
  for (int i = 0; i < kWords; ++i) {
    state = state * 1664525U + 1013904223U;
    absl::StrAppend(&text, " ", words[state >> 29]);
  }
  return text;
}

v1::CompareRequest DocumentRequest(int number, const std::string& group = "") {
  v1::CompareRequest request;
  request.mutable_document()->set_document_id(absl::StrCat("d", number));
  request.mutable_document()->mutable_content()->set_text(Text(number));
  request.mutable_document()->set_group(group);
  return request;
}

std::vector<v1::CompareRequest> DocumentRequests(int count) {
  std::vector<v1::CompareRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back(DocumentRequest(i));
  return requests;
}

struct CompareResult {
  grpc::Status status;
  v1::CompareStarted started;
  std::vector<v1::ComparedDocument> documents;
  std::vector<v1::TokenDifferences> tokens;
  std::vector<v1::CompareEstimate> estimates;
  v1::CompareTotals totals;
};

class CompareTest : public testing::Test {
 protected:
  CompareTest() : stub_(server_.NewInference()) {
    settings_.set_prefix_tokens(12);
    settings_.mutable_a()->mutable_scan()->mutable_identity();
    settings_.mutable_b()->mutable_scan()->mutable_identity();
  }

  // Swaps neighbours pair by pair.
  void UploadSwaps() {
    std::vector<int32_t> swaps;
    for (int32_t i = 0; i < 64; ++i) swaps.push_back(i ^ 1);
    v1::UploadScanOrderRequest request;
    const auto orders = server_.NewScanOrders();
    grpc::ClientContext context;
    v1::UploadScanOrderResponse response;
    const auto writer = orders->UploadScanOrder(&context, &response);
    request.mutable_header()->set_name("swaps");
    writer->Write(request);
    request.set_npy_chunk(base::FormatNpyIntegers(swaps));
    writer->Write(request);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  void SetOrder(v1::CompareArm& arm) {
    arm.mutable_scan()->mutable_setting()->mutable_order()->set_name("swaps");
  }
  void SetAdapter(v1::CompareArm& arm) { arm.mutable_adapter()->mutable_ref()->set_name("kjv"); }

  CompareResult Run(const std::vector<v1::CompareRequest>& requests) {
    grpc::ClientContext context;
    const auto stream = stub_->Compare(&context);
    v1::CompareRequest first;
    *first.mutable_settings() = settings_;
    stream->Write(first);
    std::thread sender([&] {
      for (const v1::CompareRequest& request : requests) {
        if (!stream->Write(request)) return;
      }
      stream->WritesDone();
    });
    CompareResult result;
    v1::CompareResponse response;
    while (stream->Read(&response)) {
      if (response.has_started()) result.started = response.started();
      if (response.has_document()) result.documents.push_back(response.document());
      if (response.has_tokens()) result.tokens.push_back(response.tokens());
      if (response.has_estimate()) result.estimates.push_back(response.estimate());
      if (response.has_totals()) result.totals = response.totals();
    }
    sender.join();
    result.status = stream->Finish();
    return result;
  }

  static ServerOptions WithAdapter() {
    ServerOptions options = TestServer::Options();
    options.adapters.folders = {{"kjv", SCANSERVE_SOURCE_DIR "/models/scanserve-6m/adapters/kjv"}};
    return options;
  }

  TestServer server_{WithAdapter()};
  const std::unique_ptr<v1::InferenceService::Stub> stub_;
  v1::CompareSettings settings_;
};

TEST_F(CompareTest, TheSameSettingTwiceIsEquivalentAndIdentical) {
  const CompareResult result = Run(DocumentRequests(60));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.totals.documents(), 60);
  EXPECT_EQ(result.totals.end(), v1::COMPARE_END_DOCUMENTS);
  const v1::CompareEstimate& estimate = result.totals.estimate();
  EXPECT_EQ(estimate.verdict(), v1::COMPARE_VERDICT_EQUIVALENT);
  EXPECT_TRUE(estimate.identical());
  EXPECT_EQ(estimate.difference(), 0);
  EXPECT_EQ(estimate.differing_observations(), 0);
  EXPECT_FALSE(estimate.has_low());
  EXPECT_FALSE(result.totals.has_first_verdict());
  EXPECT_EQ(estimate.tokens(), result.totals.scores().causal().tokens());
  EXPECT_EQ(result.estimates.size(), 60);
  EXPECT_GT(result.totals.time_ratio(), 0);
}

TEST_F(CompareTest, ReadsEveryTokenUnderBothArmsSoThatTheirTimesCompare) {
  const auto cache = [this] { return server_.backend().engine().stats().prefix_cache; };
  const runtime::PrefixCacheStats before = cache();
  Run(DocumentRequests(3));
  EXPECT_EQ(cache().lookups, before.lookups);
  EXPECT_EQ(cache().entries, before.entries);
}

TEST_F(CompareTest, SaysWhatIsInForceInEachArm) {
  UploadSwaps();
  SetOrder(*settings_.mutable_b());
  SetAdapter(*settings_.mutable_a());
  settings_.set_seed(7);
  settings_.set_stop_early(false);
  settings_.set_request_id("one");
  const v1::CompareStarted started = Run({}).started;
  EXPECT_EQ(started.request_id(), "one");
  EXPECT_EQ(started.a().adapter().name(), "kjv");
  EXPECT_FALSE(started.b().has_adapter());
  EXPECT_EQ(started.b().scan().order().name(), "swaps");
  EXPECT_FALSE(started.b().scan().order().digest().empty());
  EXPECT_EQ(started.mode(), v1::PERPLEXITY_MODE_CONTINUATION);
  EXPECT_EQ(started.margin(), .005);
  EXPECT_EQ(started.alpha(), .05);
  EXPECT_EQ(started.plan(), v1::COMPARE_PLAN_HYBRID);
  EXPECT_EQ(started.seed(), 7);
  EXPECT_FALSE(started.stop_early());
  EXPECT_EQ(started.no_verdict_reason(), "");
}

// What ComputePerplexity says of each arm by itself.
TEST_F(CompareTest, PairsTheValuesThatComputePerplexityGives) {
  SetAdapter(*settings_.mutable_b());
  settings_.set_per_token(true);
  const CompareResult result = Run(DocumentRequests(2));
  ASSERT_EQ(result.tokens.size(), 2);
  for (const bool with_adapter : {false, true}) {
    grpc::ClientContext context;
    const auto stream = stub_->ComputePerplexity(&context);
    v1::ComputePerplexityRequest request;
    v1::PerplexitySettings& settings = *request.mutable_settings();
    settings.set_mode(v1::PERPLEXITY_MODE_CONTINUATION);
    settings.set_prefix_tokens(12);
    settings.set_per_token(true);
    settings.mutable_scan()->mutable_identity();
    if (with_adapter) settings.mutable_adapter()->mutable_ref()->set_name("kjv");
    stream->Write(request);
    for (int i = 0; i < 2; ++i) {
      *request.mutable_document() = DocumentRequest(i).document();
      stream->Write(request);
    }
    stream->WritesDone();
    v1::ComputePerplexityResponse response;
    while (stream->Read(&response)) {
      if (!response.has_tokens()) continue;
      const v1::TokenScores& scores = response.tokens();
      const v1::TokenDifferences& pair = result.tokens[static_cast<size_t>(scores.index())];
      const auto list = [](const auto& field) { return std::vector(field.begin(), field.end()); };
      EXPECT_EQ(list(scores.positions()), list(pair.positions()));
      EXPECT_EQ(list(scores.token_ids()), list(pair.token_ids()));
      EXPECT_EQ(list(scores.nlls()), list(with_adapter ? pair.nlls_b() : pair.nlls_a()));
    }
    EXPECT_TRUE(stream->Finish().ok());
  }
  double a = 0;
  double b = 0;
  for (const float nll : result.tokens[1].nlls_a()) a += nll;
  for (const float nll : result.tokens[1].nlls_b()) b += nll;
  EXPECT_DOUBLE_EQ(result.documents[1].scores().causal().nll_a(), a);
  EXPECT_DOUBLE_EQ(result.documents[1].scores().causal().nll_b(), b);
}

TEST_F(CompareTest, StopsAtAVerdictOnceAHundredDocumentsHaveCome) {
  SetAdapter(*settings_.mutable_b());
  const CompareResult result = Run(DocumentRequests(400));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.totals.end(), v1::COMPARE_END_VERDICT);
  EXPECT_EQ(result.totals.documents(), 100);
  EXPECT_EQ(result.totals.estimate().verdict(), v1::COMPARE_VERDICT_WORSE);
  EXPECT_FALSE(result.totals.estimate().at_end());
  EXPECT_EQ(result.totals.first_verdict().verdict(), v1::COMPARE_VERDICT_WORSE);
  EXPECT_EQ(result.totals.first_verdict().observations(), 50);
}

TEST_F(CompareTest, GoesOnPastAVerdictWhenToldTo) {
  SetAdapter(*settings_.mutable_b());
  settings_.set_stop_early(false);
  const CompareResult result = Run(DocumentRequests(120));
  EXPECT_EQ(result.totals.end(), v1::COMPARE_END_DOCUMENTS);
  EXPECT_EQ(result.totals.documents(), 120);
  EXPECT_TRUE(result.totals.estimate().at_end());
}

TEST_F(CompareTest, ALeakyComparisonShowsItsClassesAndNeverAVerdictOrAStop) {
  UploadSwaps();
  SetOrder(*settings_.mutable_b());
  settings_.set_mode(v1::PERPLEXITY_MODE_FULL_WINDOW);
  settings_.set_prefix_tokens(0);
  const CompareResult result = Run(DocumentRequests(130));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_THAT(result.started.no_verdict_reason(), HasSubstr("FULL_WINDOW under an order"));
  EXPECT_EQ(result.totals.documents(), 130);
  const v1::PairedClassScores& scores = result.totals.scores();
  // Of positions 1 to L-1 every odd one is read just before it is predicted.
  EXPECT_NEAR(static_cast<double>(scores.leaked().tokens()),
              static_cast<double>(scores.causal().tokens()), 130);
  EXPECT_EQ(scores.lookahead().tokens(), 0);
  EXPECT_NE(scores.leaked().nll_a(), scores.leaked().nll_b());
  for (const v1::CompareEstimate& estimate : result.estimates) {
    EXPECT_EQ(estimate.verdict(), v1::COMPARE_VERDICT_UNSPECIFIED);
  }
  EXPECT_EQ(result.totals.estimate().verdict(), v1::COMPARE_VERDICT_UNSPECIFIED);
  EXPECT_FALSE(result.totals.has_first_verdict());
  EXPECT_EQ(result.totals.estimate().tokens(), scores.causal().tokens());
}

TEST_F(CompareTest, FullWindowsInNaturalOrderLeakNothingAndGetAVerdict) {
  SetAdapter(*settings_.mutable_b());
  settings_.set_mode(v1::PERPLEXITY_MODE_FULL_WINDOW);
  settings_.set_prefix_tokens(0);
  const CompareResult result = Run(DocumentRequests(60));
  EXPECT_EQ(result.started.no_verdict_reason(), "");
  EXPECT_EQ(result.totals.estimate().verdict(), v1::COMPARE_VERDICT_WORSE);
}

TEST_F(CompareTest, ASubsequentRunGivesTheSameStatisticsToTheBit) {
  UploadSwaps();
  SetOrder(*settings_.mutable_b());
  const CompareResult one = Run(DocumentRequests(20));
  const CompareResult other = Run(DocumentRequests(20));
  ASSERT_EQ(one.estimates.size(), 20);
  ASSERT_EQ(other.estimates.size(), 20);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(one.estimates[i].SerializeAsString(), other.estimates[i].SerializeAsString());
  }
  EXPECT_NE(one.totals.estimate().difference(), 0);
}

TEST_F(CompareTest, DocumentsOfAGroupAreOneObservation) {
  SetAdapter(*settings_.mutable_b());
  const CompareResult result =
      Run({DocumentRequest(0, "x"), DocumentRequest(1, "x"), DocumentRequest(2),
           DocumentRequest(3, "y"), DocumentRequest(4, "y"), DocumentRequest(5, "y")});
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.totals.documents(), 6);
  EXPECT_EQ(result.totals.estimate().observations(), 3);
  EXPECT_EQ(result.documents[0].group(), "x");
  const auto group_mean = [&](size_t begin, size_t end) {
    double difference = 0;
    double tokens = 0;
    for (size_t i = begin; i < end; ++i) {
      const v1::PairedScore& score = result.documents[i].scores().causal();
      difference += score.nll_b() - score.nll_a();
      tokens += static_cast<double>(score.tokens());
    }
    return difference / tokens;
  };
  const double mean = (group_mean(0, 2) + group_mean(2, 3) + group_mean(3, 6)) / 3;
  EXPECT_NEAR(result.totals.estimate().observation_mean(), mean, 1e-12);
}

TEST_F(CompareTest, RefusesAGroupThatComesBack) {
  const CompareResult result =
      Run({DocumentRequest(0, "x"), DocumentRequest(1, "y"), DocumentRequest(2, "x")});
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(result.status.error_message(), HasSubstr("document 2: its group has come before"));
}

TEST_F(CompareTest, ADocumentWithoutScoredTokensSaysWhyAndIsNoObservation) {
  v1::CompareRequest empty;
  empty.mutable_document()->mutable_content()->set_text("");
  v1::CompareRequest small;
  small.mutable_document()->mutable_content()->set_text("The river");
  const CompareResult result = Run({empty, small, DocumentRequest(1)});
  ASSERT_EQ(result.documents.size(), 3);
  EXPECT_THAT(result.documents[0].unscored_reason(), HasSubstr("no tokens"));
  EXPECT_THAT(result.documents[1].unscored_reason(), HasSubstr("the prefix takes 12"));
  EXPECT_EQ(result.documents[2].unscored_reason(), "");
  EXPECT_EQ(result.totals.estimate().observations(), 1);
}

TEST_F(CompareTest, StopDropsWhatHasNotBegunAndIsNoEndOfAFixedSize) {
  v1::CompareRequest stop;
  stop.mutable_stop();
  const CompareResult result = Run({stop});
  ASSERT_TRUE(result.status.ok());
  EXPECT_EQ(result.totals.end(), v1::COMPARE_END_STOP);
  EXPECT_EQ(result.totals.documents(), 0);
  EXPECT_FALSE(result.totals.estimate().at_end());
  EXPECT_EQ(result.totals.estimate().verdict(), v1::COMPARE_VERDICT_UNDECIDED);
}

TEST_F(CompareTest, NamesTheArmOrFieldThatIsWrong) {
  const auto message_of = [this](auto change) {
    const v1::CompareSettings before = settings_;
    change(settings_);
    const CompareResult result = Run({});
    settings_ = before;
    return result.status.error_message();
  };
  EXPECT_THAT(message_of([this](auto& s) { SetOrder(*s.mutable_b()); }), HasSubstr("swaps"));
  EXPECT_THAT(message_of([](auto& s) { s.set_prefix_tokens(0); }), HasSubstr("prefix_tokens"));
  EXPECT_THAT(message_of([](auto& s) { s.set_margin(-1); }), HasSubstr("settings.margin"));
  EXPECT_THAT(message_of([](auto& s) { s.set_model("x"); }), HasSubstr("model"));
  UploadSwaps();
  EXPECT_THAT(message_of([this](auto& s) {
                s.set_mode(v1::PERPLEXITY_MODE_SLIDING);
                s.set_prefix_tokens(0);
                SetOrder(*s.mutable_b());
              }),
              HasSubstr("settings.b.scan: order swaps, SLIDING"));
}

TEST_F(CompareTest, NeedsSettingsOnceAndFirst) {
  grpc::ClientContext context;
  const auto stream = stub_->Compare(&context);
  stream->Write(DocumentRequest(0));
  v1::CompareResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish().error_message(), HasSubstr("the first message must be settings"));
  v1::CompareRequest again;
  *again.mutable_settings() = settings_;
  EXPECT_THAT(Run({again}).status.error_message(), HasSubstr("settings came twice"));
  EXPECT_THAT(Run({v1::CompareRequest()}).status.error_message(), HasSubstr("none of settings"));
}

TEST_F(CompareTest, GivesEverythingBackWhenTheClientGoes) {
  grpc::ClientContext context;
  const auto stream = stub_->Compare(&context);
  v1::CompareRequest request;
  *request.mutable_settings() = settings_;
  stream->Write(request);
  v1::CompareResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_.gate().Close();
  for (int i = 0; i < 10; ++i) stream->Write(DocumentRequest(i));
  while (server_.backend().engine().stats().slots_used == 0) std::this_thread::yield();
  context.TryCancel();
  server_.gate().Open();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (server_.backend().engine().stats().slots_used > 0) std::this_thread::yield();
}

}  // namespace
}  // namespace scanserve::server
