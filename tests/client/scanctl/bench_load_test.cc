#include "client/scanctl/bench_load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "core/base/mutex.h"
#include "scanserve/v1/inference_service.grpc.pb.h"
#include "tests/client/fake_server.h"

namespace scanserve::client {
namespace {

// Sends one token and the counts; `hold` keeps calls open until they are cancelled or let go.
class FakeInference : public v1::InferenceService::Service {
 public:
  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    Enter(context->peer());
    v1::GenerateResponse response;
    response.mutable_delta()->add_token_ids(1);
    writer->Write(response);
    response.mutable_delta()->clear_token_ids();
    writer->Write(response);
    WaitWhileHeld(*context);
    response.mutable_summary()->set_prompt_tokens(request->prompt().token_ids().ids_size());
    response.mutable_summary()->set_generated_tokens(1);
    if (counts) writer->Write(response);
    Leave();
    return status;
  }

  grpc::Status ComputePerplexity(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ComputePerplexityResponse, v1::ComputePerplexityRequest>* stream)
      override {
    v1::ComputePerplexityRequest request;
    int64_t tokens = 0;
    while (stream->Read(&request)) {
      tokens += request.document().content().token_ids().ids_size();
    }
    v1::ComputePerplexityResponse response;
    response.mutable_totals()->set_document_tokens(tokens);
    stream->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status ExtractHiddenStates(
      grpc::ServerContext*, const v1::ExtractHiddenStatesRequest* request,
      grpc::ServerWriter<v1::ExtractHiddenStatesResponse>* writer) override {
    v1::ExtractHiddenStatesResponse response;
    response.mutable_started()->set_prompt_tokens(request->prompt().token_ids().ids_size());
    writer->Write(response);
    response.mutable_chunk();
    writer->Write(response);
    return grpc::Status::OK;
  }

  // Until `count` calls are open.
  void AwaitOpen(int count) {
    base::MutexLock lock(mutex_);
    while (open_ < count) changed_.Wait(mutex_);
  }
  int most_open() {
    base::MutexLock lock(mutex_);
    return most_open_;
  }
  size_t peers() {
    base::MutexLock lock(mutex_);
    return peers_.size();
  }

  bool counts = true;
  bool hold = false;
  grpc::Status status;

 private:
  void Enter(const std::string& peer) {
    base::MutexLock lock(mutex_);
    peers_.insert(peer);
    most_open_ = std::max(most_open_, ++open_);
    changed_.NotifyAll();
  }
  void Leave() {
    base::MutexLock lock(mutex_);
    --open_;
  }
  void WaitWhileHeld(grpc::ServerContext& context) {
    base::MutexLock lock(mutex_);
    while (hold && !context.IsCancelled()) {
      changed_.WaitUntil(mutex_, absl::Now() + absl::Milliseconds(5));
    }
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> peers_ ABSL_GUARDED_BY(mutex_);
};

class BenchLoadTest : public testing::Test {
 protected:
  BenchLoadTest() : server_({&inference_}) {
    settings_.clients = 3;
    settings_.prompt_tokens = *ParseBenchLength("7");
    settings_.mix.emplace_back();
  }

  BenchLoadResult Run() {
    const BenchRequests requests(settings_, 50, {});
    BenchLoad load(settings_, requests, server_.options());
    return load.Run([&](BenchOutcome outcome) { outcomes_.push_back(std::move(outcome)); });
  }

  BenchSettings settings_;
  FakeInference inference_;
  FakeServer server_;
  std::vector<BenchOutcome> outcomes_;
};

TEST_F(BenchLoadTest, SendsEachRequestOnceAndNeverMoreAtOnceThanClients) {
  settings_.requests = 40;
  settings_.warm_up = 2;
  Run();
  std::set<int64_t> indices;
  for (const BenchOutcome& outcome : outcomes_) {
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.prompt_tokens, 7);
    EXPECT_EQ(outcome.generated_tokens, 1);
    EXPECT_LE(outcome.sent, outcome.finished);
    indices.insert(outcome.index);
  }
  EXPECT_EQ(outcomes_.size(), 42);
  EXPECT_EQ(indices.size(), 42);
  EXPECT_EQ(*indices.rbegin(), 41);
  EXPECT_LE(inference_.most_open(), 3);
}

TEST_F(BenchLoadTest, CountsNoDeltaWithoutTokensAsADelivery) {
  settings_.requests = 1;
  Run();
  ASSERT_EQ(outcomes_.size(), 1);
  ASSERT_EQ(outcomes_[0].deliveries.size(), 1);
  EXPECT_EQ(outcomes_[0].deliveries[0].tokens, 1);
}

TEST_F(BenchLoadTest, SpreadsRequestsOverItsConnections) {
  settings_.requests = 12;
  settings_.connections = 2;
  Run();
  EXPECT_EQ(inference_.peers(), 2);
}

TEST_F(BenchLoadTest, ReadsTheCountsOfEachKind) {
  for (const char* kind : {"perplexity", "extract"}) {
    settings_.mix = {*ParseBenchMixEntry(kind)};
    settings_.requests = 2;
    outcomes_.clear();
    Run();
    ASSERT_EQ(outcomes_.size(), 2);
    for (const BenchOutcome& outcome : outcomes_) {
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      EXPECT_EQ(outcome.prompt_tokens, 7) << kind;
      EXPECT_TRUE(outcome.deliveries.empty());
    }
  }
}

TEST_F(BenchLoadTest, FailsAnAnswerWithoutCounts) {
  inference_.counts = false;
  settings_.requests = 1;
  Run();
  EXPECT_EQ(outcomes_[0].status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(BenchLoadTest, GoesOnAfterErrors) {
  inference_.status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
  settings_.requests = 9;
  Run();
  EXPECT_EQ(outcomes_.size(), 9);
  EXPECT_EQ(outcomes_[0].status.message(), "RESOURCE_EXHAUSTED: full");
  EXPECT_FALSE(outcomes_[0].cut_off);
}

TEST_F(BenchLoadTest, StopsAtOnceAndMarksWhatItCutOff) {
  inference_.hold = true;
  settings_.requests = 9;
  const BenchRequests requests(settings_, 50, {});
  BenchLoad load(settings_, requests, server_.options());
  std::thread stopper([&] {
    inference_.AwaitOpen(3);
    load.Stop();
  });
  const BenchLoadResult result =
      load.Run([&](BenchOutcome outcome) { outcomes_.push_back(std::move(outcome)); });
  stopper.join();
  EXPECT_TRUE(result.stopped);
  ASSERT_EQ(outcomes_.size(), 3);
  for (const BenchOutcome& outcome : outcomes_) EXPECT_TRUE(outcome.cut_off);
}

TEST_F(BenchLoadTest, StopsWhileItWaitsForTheNextArrival) {
  settings_.rate = 1e-3;
  settings_.poisson = false;
  const BenchRequests requests(settings_, 50, {});
  BenchLoad load(settings_, requests, server_.options());
  std::thread stopper;
  const BenchLoadResult result =
      load.Run([&](const BenchOutcome&) { stopper = std::thread([&] { load.Stop(); }); });
  stopper.join();
  EXPECT_TRUE(result.stopped);
}

TEST_F(BenchLoadTest, EndsWithItsDurationAndSaysWhatItCouldNotSend) {
  // One in flight, which is held until the run is over: the other arrivals wait in vain.
  inference_.hold = true;
  settings_.clients = 1;
  settings_.rate = 1000;
  settings_.poisson = false;
  settings_.duration = absl::Milliseconds(50);
  ConnectionOptions options = server_.options();
  options.timeout = absl::Milliseconds(200);
  const BenchRequests requests(settings_, 50, {});
  BenchLoad load(settings_, requests, options);
  const BenchLoadResult result =
      load.Run([&](BenchOutcome outcome) { outcomes_.push_back(std::move(outcome)); });
  ASSERT_EQ(outcomes_.size(), 1);
  EXPECT_EQ(outcomes_[0].status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NEAR(static_cast<double>(result.not_sent), 50, 2);
}

TEST_F(BenchLoadTest, CountsAnOpenLoopFromTheArrivalThatHadToWait) {
  // The second arrival waits until the first, held one ends at its deadline.
  inference_.hold = true;
  settings_.clients = 1;
  settings_.rate = 1000;
  settings_.poisson = false;
  settings_.requests = 2;
  ConnectionOptions options = server_.options();
  options.timeout = absl::Milliseconds(100);
  const BenchRequests requests(settings_, 50, {});
  BenchLoad load(settings_, requests, options);
  load.Run([&](BenchOutcome outcome) { outcomes_.push_back(std::move(outcome)); });
  ASSERT_EQ(outcomes_.size(), 2);
  EXPECT_EQ(outcomes_[1].intended - outcomes_[0].intended, std::chrono::milliseconds(1));
  EXPECT_GT(BenchSeconds(outcomes_[1].sent - outcomes_[1].intended), 0.05);
}

}  // namespace
}  // namespace scanserve::client
