// Every way in which a call can end, at every stage at which it can come, over the wire, with the
// two sides of each race let go in both orders: slots, queue, gauges and open calls return to where
// they were, and the next call is served.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/npy.h"
#include "tests/server/breakable_proxy.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

constexpr int kRaces = 2;
constexpr int kStepTokens = 64;
constexpr int kPromptTokens = 4 * kStepTokens;
constexpr int kMaxDelayMicroseconds = 2'000;

enum class Kind { kGenerate, kPerplexity, kExtract };
enum class Stage { kQueued, kPrompt, kDecode, kDelivery };
enum class Ending {
  kCancel,
  kDeadline,
  kDisconnect,
  kShutdown,
  // Another document of the call is refused.
  kError,
  // By itself, with a cancel that comes at the same time.
  kStopString,
  kStopToken,
  kEndOfText,
  kLength,
};

struct Cell {
  Kind kind;
  Stage stage;
  Ending ending;
};

std::string NameOf(const testing::TestParamInfo<Cell>& info) {
  constexpr const char* kKinds[] = {"Generate", "Perplexity", "Extract"};
  constexpr const char* kStages[] = {"Queued", "Prompt", "Decode", "Delivery"};
  constexpr const char* kEndings[] = {"Cancel",     "Deadline",  "Disconnect", "Shutdown", "Error",
                                      "StopString", "StopToken", "EndOfText",  "Length"};
  return absl::StrCat(kKinds[static_cast<int>(info.param.kind)],
                      kStages[static_cast<int>(info.param.stage)],
                      kEndings[static_cast<int>(info.param.ending)]);
}

std::vector<Cell> AllCells() {
  std::vector<Cell> cells;
  for (const Stage stage : {Stage::kQueued, Stage::kPrompt, Stage::kDecode, Stage::kDelivery}) {
    for (const Kind kind : {Kind::kGenerate, Kind::kPerplexity, Kind::kExtract}) {
      for (const Ending ending :
           {Ending::kCancel, Ending::kDeadline, Ending::kDisconnect, Ending::kShutdown}) {
        cells.push_back({kind, stage, ending});
      }
    }
    // The other kinds are one request: an error refuses it before it begins.
    cells.push_back({Kind::kPerplexity, stage, Ending::kError});
  }
  for (const Ending ending :
       {Ending::kStopString, Ending::kStopToken, Ending::kEndOfText, Ending::kLength}) {
    cells.push_back({Kind::kGenerate, Stage::kDecode, ending});
  }
  return cells;
}

void FillPrompt(v1::Prompt* prompt, int tokens) {
  for (int i = 0; i < tokens; ++i) prompt->mutable_token_ids()->add_ids(300 + i % 41);
}

v1::GenerateRequest Generation(int tokens) {
  v1::GenerateRequest request;
  FillPrompt(request.mutable_prompt(), kPromptTokens);
  request.mutable_sampling()->set_ignore_eos(true);
  request.mutable_sampling()->set_max_new_tokens(tokens);
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_seed(7);
  return request;
}

// A call under way: how to read one message, and how to learn its end.
struct OpenCall {
  grpc::ClientContext context;
  std::function<bool()> read;
  std::function<grpc::Status()> finish;
  // Perplexity: sends one more document.
  std::function<void(const v1::ComputePerplexityRequest&)> write;
};

void StartGenerate(v1::InferenceService::Stub& stub, const v1::GenerateRequest& request,
                   OpenCall& call) {
  const std::shared_ptr reader = stub.Generate(&call.context, request);
  call.read = [reader, response = v1::GenerateResponse()]() mutable {
    return reader->Read(&response);
  };
  call.finish = [reader] { return reader->Finish(); };
}

void StartExtract(v1::InferenceService::Stub& stub, const v1::ExtractHiddenStatesRequest& request,
                  OpenCall& call) {
  const std::shared_ptr reader = stub.ExtractHiddenStates(&call.context, request);
  call.read = [reader, response = v1::ExtractHiddenStatesResponse()]() mutable {
    return reader->Read(&response);
  };
  call.finish = [reader] { return reader->Finish(); };
}

void StartPerplexity(v1::InferenceService::Stub& stub, const v1::PerplexitySettings& settings,
                     OpenCall& call) {
  const std::shared_ptr stream = stub.ComputePerplexity(&call.context);
  v1::ComputePerplexityRequest first;
  *first.mutable_settings() = settings;
  stream->Write(first);
  call.read = [stream, response = v1::ComputePerplexityResponse()]() mutable {
    return stream->Read(&response);
  };
  call.finish = [stream] { return stream->Finish(); };
  call.write = [stream](const v1::ComputePerplexityRequest& part) { stream->Write(part); };
}

// What a server that nobody else uses gives.
const GenerateResult& QuietAnswer() {
  static const GenerateResult answer = [] {
    const TestServer server;
    return Generate(*server.NewInference(), Generation(8));
  }();
  return answer;
}

class Race {
 public:
  Race(const Cell& cell, int seed) : cell_(cell), random_(static_cast<unsigned>(seed)) {
    server_ = std::make_unique<TestServer>(Options(cell));
    proxy_ = std::make_unique<BreakableProxy>(server_->port());
    stub_ = v1::InferenceService::NewStub(TestServer::NewChannel(proxy_->port()));
    if (cell.stage == Stage::kDecode && cell.kind == Kind::kExtract) StoreOrder();
  }

  void Run() {
    if (cell_.stage == Stage::kQueued) Block();
    server_->gate().Close();
    if (cell_.ending == Ending::kDeadline) {
      call_.context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
    }
    Start();
    ReachStage();
    LetGo();
    CheckEnd();
    if (cell_.ending != Ending::kShutdown) CheckServer();
  }

 private:
  static ServerOptions Options(const Cell& cell) {
    ServerOptions options = TestServer::Options();
    options.engine.state_slots = 1;
    options.engine.step_tokens = kStepTokens;
    options.engine.poison_freed_state = true;
    options.engine.stall_park = absl::Milliseconds(1);
    options.drain_deadline = absl::ZeroDuration();
    if (cell.ending == Ending::kError) options.limits.perplexity_tokens = 100'000;
    return options;
  }

  void StoreOrder() {
    const auto stored = server_->backend().store().Put(
        "swap", base::FormatNpyIntegers(std::vector<int64_t>{1, 0}), std::nullopt, false);
    ASSERT_TRUE(stored.ok()) << stored.status();
  }

  // Takes the one slot with a long generation.
  void Block() {
    blocker_stub_ = server_->NewInference();
    StartGenerate(*blocker_stub_, Generation(1000), blocker_);
    ASSERT_TRUE(blocker_.read());
    drain_ = std::thread([this] {
      while (blocker_.read()) {
      }
    });
  }

  void Start() {
    switch (cell_.kind) {
      case Kind::kGenerate:
        return StartGenerate(*stub_, GenerationOfCell(), call_);
      case Kind::kPerplexity:
        return StartPerplexityOfCell();
      case Kind::kExtract:
        return StartExtract(*stub_, ExtractionOfCell(), call_);
    }
  }

  v1::GenerateRequest GenerationOfCell() const {
    v1::GenerateRequest request = Generation(4096);
    v1::SamplingParameters& sampling = *request.mutable_sampling();
    if (cell_.stage == Stage::kDelivery) sampling.set_top_logprobs(20);
    if (cell_.ending == Ending::kLength) sampling.set_max_new_tokens(4);
    if (cell_.ending == Ending::kStopString) sampling.add_stop_strings(" ");
    // Half of the vocabulary, soon met.
    for (int id = 300; id < 364; ++id) {
      if (cell_.ending == Ending::kStopToken) sampling.add_stop_token_ids(id);
    }
    if (cell_.ending == Ending::kEndOfText) {
      sampling.set_ignore_eos(false);
      (*sampling.mutable_logit_bias())[EndOfText()] = 100;
    }
    return request;
  }

  int32_t EndOfText() const { return server_->backend().model().generation.eos_token_ids.front(); }

  v1::ExtractHiddenStatesRequest ExtractionOfCell() const {
    v1::ExtractHiddenStatesRequest request;
    const bool large = cell_.stage == Stage::kDelivery;
    FillPrompt(request.mutable_prompt(), large ? 8 * kPromptTokens : kPromptTokens);
    if (cell_.stage == Stage::kDecode) {
      v1::ScanSetting& setting = *request.mutable_scan()->mutable_setting();
      setting.mutable_order()->set_name("swap");
      setting.add_target_layers(3);
    }
    return request;
  }

  void StartPerplexityOfCell() {
    v1::PerplexitySettings settings;
    settings.set_per_token(true);
    if (cell_.stage == Stage::kDecode) {
      settings.set_mode(v1::PERPLEXITY_MODE_CONTINUATION);
      settings.set_prefix_tokens(2 * kStepTokens);
    } else {
      settings.set_window_tokens(kStepTokens);
    }
    StartPerplexity(*stub_, settings, call_);
    WriteDocument(cell_.stage == Stage::kDelivery ? 12'000 : kPromptTokens);
  }

  void WriteDocument(int tokens) {
    v1::ComputePerplexityRequest part;
    FillPrompt(part.mutable_document()->mutable_content(), tokens);
    call_.write(part);
  }

  void ReachStage() {
    const auto stats = [this] { return server_->backend().engine().stats(); };
    switch (cell_.stage) {
      case Stage::kQueued:
        return AwaitOrEnd([&] { return stats().queued == 1; });
      case Stage::kPrompt:
        return AwaitOrEnd([&] { return stats().running == 1; });
      case Stage::kDecode:
        AwaitOrEnd([&] { return stats().running == 1; });
        return server_->gate().Let(StepsToDecode());
      case Stage::kDelivery:
        server_->gate().Open();
        // An extraction gives its slot back before it is sent.
        return AwaitOrEnd([&] {
          return cell_.kind == Kind::kExtract ? stats().steps > 0 && stats().running == 0
                                              : stats().parked == 1;
        });
    }
  }

  // Up to the step after which the call ends by itself, where it does.
  int64_t StepsToDecode() const {
    switch (cell_.ending) {
      case Ending::kEndOfText:
        return 3;
      case Ending::kLength:
        return 6;
      case Ending::kStopToken:
        return 7;
      default:
        return cell_.kind == Kind::kGenerate ? 5 : 3;
    }
  }

  // A deadline may come before the stage does. Minutes, for a long document under a sanitizer.
  void AwaitOrEnd(const std::function<bool()>& reached) {
    const absl::Time limit = cell_.ending == Ending::kDeadline
                                 ? absl::FromChrono(call_.context.deadline())
                                 : absl::Now() + absl::Minutes(5);
    while (!reached() && absl::Now() < limit) std::this_thread::yield();
    if (cell_.ending != Ending::kDeadline) {
      EXPECT_TRUE(reached()) << "the stage was not reached";
    }
  }

  // The ending on one side, the engine's steps and the client's reading on the other.
  void LetGo() {
    std::thread ending([this, delay = RandomDelay()] {
      absl::SleepFor(delay);
      Act();
    });
    absl::SleepFor(RandomDelay());
    server_->gate().Open();
    while (call_.read()) {
    }
    status_ = call_.finish();
    ending.join();
    if (!drain_.joinable()) return;
    blocker_.context.TryCancel();
    drain_.join();
    blocker_.finish();
  }

  void Act() {
    switch (cell_.ending) {
      case Ending::kDeadline:
        return;
      case Ending::kDisconnect:
        return proxy_->Break();
      case Ending::kShutdown:
        return server_->Stop();
      case Ending::kError:
        return WriteDocument(100'001);
      default:
        call_.context.TryCancel();
    }
  }

  void CheckEnd() const {
    const grpc::StatusCode code = status_.error_code();
    // An ending that the call has overtaken. A perplexity call stays open until its client closes.
    const bool may_end_well = cell_.kind != Kind::kPerplexity;
    const bool expected = [&] {
      switch (cell_.ending) {
        case Ending::kDeadline:
          return code == grpc::StatusCode::DEADLINE_EXCEEDED;
        case Ending::kDisconnect:
        case Ending::kShutdown:
          return code == grpc::StatusCode::UNAVAILABLE;
        case Ending::kError:
          return code == grpc::StatusCode::INVALID_ARGUMENT;
        default:
          return code == grpc::StatusCode::CANCELLED;
      }
    }();
    EXPECT_TRUE(expected || (may_end_well && status_.ok()))
        << status_.error_code() << ": " << status_.error_message();
  }

  void CheckServer() {
    EXPECT_TRUE(server_->lifecycle().WaitForCalls(absl::Now() + absl::Seconds(60)))
        << "a call is open still";
    const runtime::EngineStats stats = server_->backend().engine().stats();
    EXPECT_EQ(stats.slots_used, 0);
    EXPECT_EQ(stats.running, 0);
    EXPECT_EQ(stats.queued, 0);
    EXPECT_EQ(stats.queued_tokens, 0);
    EXPECT_EQ(stats.parked, 0);
    EXPECT_EQ(stats.parked_bytes, 0);
    EXPECT_EQ(stats.extraction_bytes, 0);
    const GenerateResult next = Generate(*server_->NewInference(), Generation(8));
    EXPECT_TRUE(next.status.ok()) << next.status.error_message();
    EXPECT_EQ(next.token_ids, QuietAnswer().token_ids) << "the slot shows its past";
  }

  absl::Duration RandomDelay() {
    return absl::Microseconds(
        std::uniform_int_distribution<int>(0, kMaxDelayMicroseconds)(random_));
  }

  const Cell cell_;
  std::mt19937 random_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<BreakableProxy> proxy_;
  std::unique_ptr<v1::InferenceService::Stub> stub_;
  std::unique_ptr<v1::InferenceService::Stub> blocker_stub_;
  OpenCall blocker_;
  std::thread drain_;
  OpenCall call_;
  grpc::Status status_;
};

class EndingWireTest : public testing::TestWithParam<Cell> {};

TEST_P(EndingWireTest, LeavesNothingBehind) {
  for (int race = 0; race < kRaces; ++race) {
    SCOPED_TRACE(absl::StrCat("race ", race));
    Race(GetParam(), race).Run();
  }
}

INSTANTIATE_TEST_SUITE_P(All, EndingWireTest, testing::ValuesIn(AllCells()), NameOf);

}  // namespace
}  // namespace scanserve::server
