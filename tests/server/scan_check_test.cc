// CheckScanSetting over the wire, on the embedded model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "core/order/leak_check.h"
#include "tests/core/order/read_set.h"
#include "tests/server/scan_order_client.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

constexpr int kLength = 40;
constexpr int32_t kAllTrials = 1024;

std::vector<int32_t> Natural(int length) {
  std::vector<int32_t> order(static_cast<size_t>(length));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<int32_t> Swaps(int length) {
  std::vector<int32_t> order;
  for (int32_t i = 0; i < length; ++i) order.push_back(i ^ 1);
  return order;
}

// Mostly natural, so that all three classes occur.
std::vector<int32_t> SomeSwapped(int length, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> order = Natural(length);
  for (int i = 0; i < 4; ++i) {
    const size_t at = random() % (order.size() - 6);
    std::swap(order[at], order[at + 2 + random() % 4]);
  }
  // What the readout pins to the end does not stand there.
  std::swap(order[order.size() - 1], order[order.size() - 4]);
  return order;
}

class ScanCheckTest : public testing::Test {
 protected:
  explicit ScanCheckTest(ServerOptions options = TestServer::Options())
      : server_(std::move(options)), stub_(server_.NewScanOrders()) {
    request_.set_length(kLength);
    request_.mutable_scan()->mutable_identity();
  }

  void Use(const std::string& name, const std::vector<int32_t>& pi,
           const std::vector<int>& layers = {}, v1::Readout readout = v1::READOUT_NATURAL_LAST) {
    UploadOrder(*stub_, name, pi);
    v1::ScanSetting& setting = *request_.mutable_scan()->mutable_setting();
    setting.mutable_order()->set_name(name);
    setting.mutable_target_layers()->Assign(layers.begin(), layers.end());
    setting.set_readout(readout);
  }

  grpc::Status Check() {
    grpc::ClientContext context;
    return stub_->CheckScanSetting(&context, request_, &response_);
  }

  void ExpectConfirmed() {
    const grpc::Status status = Check();
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response_.verdict(), v1::LEAK_VERDICT_CONFIRMED);
    for (const auto& each : {response_.leaked(), response_.lookahead(), response_.causal()}) {
      EXPECT_EQ(each.unread_rows_changed(), 0);
    }
    EXPECT_EQ(response_.in_force().numerics_id(), "f32.k1");
    EXPECT_EQ(server_.backend().engine().stats().extraction_bytes, 0);
  }

  void ExpectRefused(grpc::StatusCode code, const std::string& words) {
    const grpc::Status status = Check();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(words));
  }

  const model::LanguageModel& model() { return server_.backend().model(); }

  TestServer server_;
  const std::unique_ptr<v1::ScanOrderService::Stub> stub_;
  v1::CheckScanSettingRequest request_;
  v1::CheckScanSettingResponse response_;
};

TEST_F(ScanCheckTest, NaturalOrderIsCausalThroughout) {
  request_.set_trials(kAllTrials);
  ExpectConfirmed();
  EXPECT_EQ(response_.causal().targets(), kLength - 1);
  EXPECT_EQ(response_.trials(), kLength - 1);
  EXPECT_EQ(response_.causal().unread_rows(), (kLength - 1) * kLength / 2);
  EXPECT_EQ(response_.model_tokens(), kLength * kLength);
}

TEST_F(ScanCheckTest, HalfOfTheTargetsLeakWherePairsAreSwapped) {
  Use("swaps", Swaps(64));
  request_.set_trials(kAllTrials);
  ExpectConfirmed();
  EXPECT_EQ(response_.leaked().targets(), kLength / 2);
  EXPECT_EQ(response_.causal().targets(), kLength / 2 - 1);
  EXPECT_EQ(response_.leaked().read_rows(), kLength / 2);
  EXPECT_EQ(response_.leaked().read_rows_changed(), kLength / 2);
  EXPECT_EQ(response_.in_force().scan().order().name(), "swaps");
  EXPECT_EQ(response_.in_force().scan().order().digest().size(), 64u);
}

TEST_F(ScanCheckTest, ConfirmsEveryClassForAllLayersAndForSubsets) {
  const auto layers = static_cast<int>(model().config.num_layers);
  std::vector<int> even;
  for (int layer = 0; layer < layers; layer += 2) even.push_back(layer);
  const std::vector<std::vector<int>> subsets = {{}, {0}, {layers - 1}, even};
  request_.set_trials(kAllTrials);
  unsigned seed = 0;
  int64_t lookahead = 0;
  for (const std::vector<int>& subset : subsets) {
    for (const v1::Readout readout : {v1::READOUT_NATURAL_LAST, v1::READOUT_PIN_LAST}) {
      SCOPED_TRACE(testing::PrintToString(subset));
      std::vector<int32_t> pi = SomeSwapped(kLength, ++seed);
      Use("mixed", pi, subset, readout);
      ExpectConfirmed();
      if (readout == v1::READOUT_PIN_LAST) {
        pi.erase(std::ranges::find(pi, kLength - 1));
        pi.push_back(kLength - 1);
      }
      int64_t leaked = 0;
      int64_t causal = 0;
      for (int i = 0; i + 1 < kLength; ++i) {
        const std::set<int> read = order::ReadSet(i, pi, subset, layers);
        leaked += read.contains(i + 1);
        causal += *read.rbegin() == i;
      }
      EXPECT_EQ(response_.leaked().targets(), leaked);
      EXPECT_EQ(response_.causal().targets(), causal);
      EXPECT_EQ(response_.lookahead().targets(), kLength - 1 - leaked - causal);
      EXPECT_EQ(response_.lookahead().unread_rows(), response_.lookahead().targets());
      lookahead += response_.lookahead().targets();
    }
  }
  EXPECT_GT(lookahead, 0);
}

TEST_F(ScanCheckTest, TheModelContradictsClassesOfAnotherOrder) {
  Use("swaps", Swaps(64));
  const auto pinned = server_.backend().scans().Pin({{"swaps", 0, ""}, {}, {}}).value();
  const std::vector<int32_t> tokens = Natural(kLength);
  const auto rows = [&](const std::vector<int32_t>& of) {
    runtime::ExtractRequest request;
    request.basics.scan = pinned->applied;
    request.tokens = of;
    request.kind = runtime::HiddenStateKind::kFinalNorm;
    request.end_position = kLength;
    const auto stream = server_.backend().engine().Extract(std::move(request)).value();
    std::vector<float> data;
    for (;;) {
      const runtime::Event event = stream->Wait();
      if (const auto* states = std::get_if<runtime::HiddenStates>(&event)) data = *states->data;
      if (std::holds_alternative<runtime::Ended>(event)) return data;
    }
  };
  const auto width = static_cast<size_t>(model().config.hidden_size);
  const std::vector<float> first = rows(tokens);
  ASSERT_EQ(first.size(), kLength * width);
  // As if nothing were swapped.
  order::LeakCheck check(order::ClassifyTargets(Natural(kLength), {}, 1), 1, 4);
  for (const order::LeakTrial& trial : check.trials()) {
    const std::vector<float> other = rows(order::ReplacedTokens(tokens, trial, 100, 1));
    std::vector<bool> changed;
    for (size_t i = 0; i <= static_cast<size_t>(trial.begin); ++i) {
      changed.push_back(std::memcmp(&first[i * width], &other[i * width], width * sizeof(float)) !=
                        0);
    }
    check.Add(trial, changed);
  }
  EXPECT_EQ(check.verdict(), order::LeakVerdict::kContradicted);
  ASSERT_TRUE(check.contradiction().has_value());
  EXPECT_EQ(check.contradiction()->position % 2, 0) << "a leaked one, said to be causal";
}

TEST_F(ScanCheckTest, ChecksWhatIsActiveAndTheDefaultNumberOfTrialsUnlessTold) {
  Use("swaps", Swaps(64));
  v1::SetActiveScanRequest activation;
  activation.mutable_setting()->mutable_order()->set_name("swaps");
  v1::SetActiveScanResponse active;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->SetActiveScan(&context, activation, &active).ok());
  request_.clear_scan();
  ExpectConfirmed();
  EXPECT_EQ(response_.in_force().scan().order().name(), "swaps");
  EXPECT_EQ(response_.trials(), 16);
}

TEST_F(ScanCheckTest, CountsAloneComputeNothing) {
  Use("swaps", Swaps(64));
  request_.set_trials(0);
  request_.set_length(32'768);
  const int64_t steps = server_.backend().engine().stats().steps;
  ASSERT_TRUE(Check().ok());
  EXPECT_EQ(response_.verdict(), v1::LEAK_VERDICT_COUNTED);
  EXPECT_EQ(response_.leaked().targets(), 32);
  EXPECT_EQ(response_.model_tokens(), 0);
  EXPECT_EQ(server_.backend().engine().stats().steps, steps);
}

TEST_F(ScanCheckTest, RefusesWhatIsOutOfRangeOrUnknown) {
  using grpc::StatusCode;
  for (const int64_t length : {-1, 0, 1, 32'769}) {
    request_.set_length(length);
    ExpectRefused(StatusCode::INVALID_ARGUMENT, "length");
  }
  request_.set_length(kLength);
  for (const int32_t trials : {-1, 1025}) {
    request_.set_trials(trials);
    ExpectRefused(StatusCode::INVALID_ARGUMENT, "trials");
  }
  request_.set_length(32'768);
  request_.set_trials(1024);
  ExpectRefused(StatusCode::INVALID_ARGUMENT, "33587200 model tokens, at most 10000000");
  request_.set_length(kLength);
  request_.set_trials(1);
  request_.set_model("another");
  ExpectRefused(StatusCode::NOT_FOUND, "another");
  request_.clear_model();
  Use("swaps", Swaps(64), {static_cast<int>(model().config.num_layers)});
  ExpectRefused(StatusCode::INVALID_ARGUMENT, "target_layers");
  Use("swaps", Swaps(64), {0});
  request_.set_length(8'193);
  ExpectRefused(StatusCode::INVALID_ARGUMENT, "length");
  request_.mutable_scan()->mutable_setting()->mutable_order()->set_name("nowhere");
  ExpectRefused(StatusCode::NOT_FOUND, "nowhere");
}

TEST_F(ScanCheckTest, ACancelledCheckLeavesTheEngine) {
  request_.set_trials(8);
  server_.gate().Close();
  grpc::ClientContext context;
  grpc::Status status;
  std::thread caller([&] { status = stub_->CheckScanSetting(&context, request_, &response_); });
  const runtime::Engine& engine = server_.backend().engine();
  while (engine.stats().running + engine.stats().queued == 0) std::this_thread::yield();
  context.TryCancel();
  caller.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  server_.gate().Open();
  ASSERT_TRUE(server_.lifecycle().WaitForCalls(absl::InfiniteFuture()));
  while (engine.stats().slots_used > 0) std::this_thread::yield();
  EXPECT_EQ(engine.stats().running + engine.stats().queued, 0);
  EXPECT_EQ(engine.stats().extraction_bytes, 0);
}

TEST_F(ScanCheckTest, EndsAtTheClientsDeadline) {
  server_.gate().Close();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(stub_->CheckScanSetting(&context, request_, &response_).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
}

class BusyScanCheckTest : public ScanCheckTest {
 protected:
  static ServerOptions OneSlot() {
    ServerOptions options = TestServer::Options();
    options.engine.state_slots = 1;
    return options;
  }
  BusyScanCheckTest() : ScanCheckTest(OneSlot()) {}
};

TEST_F(BusyScanCheckTest, WaitsAtLowPriority) {
  const runtime::Engine& engine = server_.backend().engine();
  server_.gate().Close();
  server_.gate().Let(1);
  const auto inference = server_.NewInference();
  grpc::ClientContext generating;
  const auto reader = inference->Generate(&generating, GreedyRequest(4));
  v1::GenerateResponse event;
  ASSERT_TRUE(reader->Read(&event));
  while (engine.stats().queued > 0) std::this_thread::yield();
  std::thread caller([&] { EXPECT_TRUE(Check().ok()); });
  while (engine.stats().queued == 0) std::this_thread::yield();
  EXPECT_EQ(engine.stats().queued_low, 1);
  server_.gate().Open();
  while (reader->Read(&event)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  caller.join();
  EXPECT_EQ(response_.verdict(), v1::LEAK_VERDICT_CONFIRMED);
}

class TorchScanCheckTest : public ScanCheckTest {
 protected:
  static ServerOptions Torch() {
    ServerOptions options = TestServer::Options();
    options.numerics = Numerics::kTorch;
    return options;
  }
  TorchScanCheckTest() : ScanCheckTest(Torch()) {}
};

TEST_F(TorchScanCheckTest, ComputesNothingWhereNoBitsArePromised) {
  ExpectRefused(grpc::StatusCode::FAILED_PRECONDITION, "numerics torch");
  request_.set_trials(0);
  EXPECT_TRUE(Check().ok());
}

}  // namespace
}  // namespace scanserve::server
