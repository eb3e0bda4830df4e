// Every way in which a request can end, at every stage at which it can come, with the two sides of
// each race let go in both orders: slots, queue and gauges return to where they were, orders are
// let go, and the next request finds nothing of the one before.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"

namespace scanserve::runtime {
namespace {

constexpr int kRaces = 8;
constexpr int32_t kEndless = 1'000'000'000;
constexpr int64_t kStepTokens = 8;
constexpr int64_t kPromptTokens = 5 * kStepTokens;
// How far apart the two sides of a race start at most.
constexpr int kMaxDelayMicroseconds = 300;

enum class Kind { kGenerate, kScore, kExtract };
enum class Stage { kQueued, kPrompt, kDecode, kDelivery };
enum class Ending {
  kCancel,
  kDeadline,
  kShutdown,
  kDestruction,
  kStall,
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
  constexpr const char* kKinds[] = {"Generate", "Score", "Extract"};
  constexpr const char* kStages[] = {"Queued", "Prompt", "Decode", "Delivery"};
  constexpr const char* kEndings[] = {"Cancel",      "Deadline",  "Shutdown",
                                      "Destruction", "Stall",     "StopString",
                                      "StopToken",   "EndOfText", "Length"};
  return absl::StrCat(kKinds[static_cast<int>(info.param.kind)],
                      kStages[static_cast<int>(info.param.stage)],
                      kEndings[static_cast<int>(info.param.ending)]);
}

std::vector<Cell> AllCells() {
  std::vector<Cell> cells;
  for (const Kind kind : {Kind::kGenerate, Kind::kScore, Kind::kExtract}) {
    for (const Stage stage : {Stage::kQueued, Stage::kPrompt, Stage::kDecode, Stage::kDelivery}) {
      for (const Ending ending :
           {Ending::kCancel, Ending::kDeadline, Ending::kShutdown, Ending::kDestruction}) {
        cells.push_back({kind, stage, ending});
      }
    }
  }
  // An extraction holds no slot any more once its answer waits for the reader.
  cells.push_back({Kind::kGenerate, Stage::kDelivery, Ending::kStall});
  cells.push_back({Kind::kScore, Stage::kDelivery, Ending::kStall});
  for (const Ending ending :
       {Ending::kStopString, Ending::kStopToken, Ending::kEndOfText, Ending::kLength}) {
    cells.push_back({Kind::kGenerate, Stage::kDecode, ending});
  }
  return cells;
}

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel("tests/golden/checkpoints/odd_vocabulary");
  return model;
}

std::vector<int32_t> Tokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(30 + i % 7));
  return tokens;
}

GenerateRequest Generation(int32_t new_tokens) {
  GenerateRequest request;
  request.prompt = Tokens(kPromptTokens);
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  request.sampling.seed = 5;
  return request;
}

EngineOptions Options(const Cell& cell) {
  EngineOptions options;
  options.threads = 2;
  options.state_slots = 1;
  options.step_tokens = kStepTokens;
  options.stream_events = cell.stage == Stage::kDelivery ? 2 : 1'000'000;
  options.poison_freed_state = true;
  // What a slot holds is seen only where it is used.
  options.prefix_cache_bytes = 0;
  if (cell.ending == Ending::kStall) options.stall_limit = absl::Milliseconds(1);
  return options;
}

// The request of a cell, before an ending is built into it.
AnyRequest RequestOf(const Cell& cell) {
  if (cell.kind == Kind::kGenerate) return Generation(kEndless);
  if (cell.kind == Kind::kScore) {
    ScoreRequest request;
    request.tokens = Tokens(2 * kPromptTokens);
    request.per_token = true;
    if (cell.stage == Stage::kDelivery) {
      // An event for each window.
      request.window_tokens = 4;
    } else {
      request.mode = PerplexityMode::kContinuation;
      request.prefix_tokens = kPromptTokens;
    }
    return request;
  }
  ExtractRequest request;
  request.tokens = Tokens(kPromptTokens);
  request.layers = {0, 1};
  request.end_position = kPromptTokens;
  return request;
}

RequestBasics& BasicsOf(AnyRequest& request) {
  return std::visit([](auto& any) -> RequestBasics& { return any.basics; }, request);
}

// An answer to the generation of a cell, in quiet.
const Answer& QuietAnswer() {
  static const Answer answer = [] {
    const auto engine = Engine::Create(Options({}), TinyModel());
    return Collect(*Submit(*engine, Generation(12)));
  }();
  return answer;
}

// Makes the generation end after its first few tokens.
void BuildIn(Ending ending, AnyRequest& any) {
  auto* request = std::get_if<GenerateRequest>(&any);
  if (request == nullptr) return;
  constexpr size_t kLast = 4;
  const Answer& quiet = QuietAnswer();
  switch (ending) {
    case Ending::kStopString:
      request->sampling.stop_strings = {quiet.text.substr(quiet.text.size() / 2)};
      return;
    case Ending::kStopToken:
      request->sampling.stop_token_ids = {quiet.tokens[kLast]};
      return;
    case Ending::kEndOfText:
      request->sampling.ignore_eos = false;
      request->sampling.eos_token_ids = {quiet.tokens[kLast]};
      return;
    case Ending::kLength:
      request->sampling.max_new_tokens = static_cast<int32_t>(kLast);
      return;
    default:
      return;
  }
}

absl::StatusCode CodeOf(Ending ending) {
  switch (ending) {
    case Ending::kDeadline:
      return absl::StatusCode::kDeadlineExceeded;
    case Ending::kShutdown:
      return absl::StatusCode::kUnavailable;
    case Ending::kStall:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kCancelled;
  }
}

// One race of one cell.
class Race {
 public:
  Race(const Cell& cell, int seed)
      : cell_(cell),
        random_(static_cast<unsigned>(seed)),
        held_(std::make_unique<HeldEngine>(Options(cell), TinyModel())) {}

  void Run() {
    if (cell_.stage == Stage::kQueued) {
      blocker_ = Submit(held_->engine(), Generation(kEndless));
      held_->gate().AwaitArrival(1);
    }
    AnyRequest request = RequestOf(cell_);
    BuildIn(cell_.ending, request);
    const std::weak_ptr<const order::ScanOrder> pinned = PinOrder(request);
    if (cell_.ending == Ending::kDeadline) {
      deadline_ = absl::Now() + absl::Milliseconds(5);
      BasicsOf(request).deadline = deadline_;
    }
    stream_ = Submit(held_->engine(), std::move(request));
    ReachStage();
    LetGo();
    CheckAnswer();
    EXPECT_TRUE(pinned.expired()) << "who has seen the end finds the order let go";
    if (cell_.ending != Ending::kDestruction) CheckEngine();
  }

 private:
  // Puts the request under an order: of some layers where the stage is a pass layer by layer.
  std::weak_ptr<const order::ScanOrder> PinOrder(AnyRequest& request) const {
    const auto order = *order::ScanOrder::FromEntries({4, 2, 0, 1, 3});
    BasicsOf(request).scan.order = order;
    if (cell_.kind == Kind::kExtract && cell_.stage == Stage::kDecode) {
      BasicsOf(request).scan.target_layers = {1};
    }
    return order;
  }

  void ReachStage() {
    // Steps 1 to 5 read the prompt (of a score: the prefix); a pass layer by layer takes as many.
    const int64_t step = cell_.stage == Stage::kPrompt                                   ? 3
                         : cell_.stage == Stage::kDecode && cell_.kind != Kind::kExtract ? 7
                                                                                         : 2;
    if (cell_.stage == Stage::kQueued) return;
    if (cell_.stage == Stage::kDelivery) {
      held_->gate().Open();
      // A deadline may come before.
      while (stream_->HasRoom() && absl::Now() < deadline_) std::this_thread::yield();
      return;
    }
    held_->gate().AllowUpTo(step - 1);
    // A deadline may come before; then there is no such step.
    if (cell_.ending != Ending::kDeadline) held_->gate().AwaitArrival(step);
  }

  // The ending on one side, the engine's steps on the other.
  void LetGo() {
    const absl::Duration delay_of_ending = RandomDelay();
    const absl::Duration delay_of_steps = RandomDelay();
    std::thread ending([&] {
      absl::SleepFor(delay_of_ending);
      Act();
    });
    absl::SleepFor(delay_of_steps);
    if (cell_.ending != Ending::kDestruction) held_->gate().Open();
    ending.join();
    if (blocker_ != nullptr) blocker_->Cancel();
  }

  void Act() {
    switch (cell_.ending) {
      case Ending::kShutdown:
        held_->engine().CancelAll(absl::UnavailableError("closing"));
        return;
      case Ending::kDestruction:
        // Opens the gate, so that the thread can end.
        held_.reset();
        return;
      case Ending::kDeadline:
        absl::SleepFor(deadline_ - absl::Now());
        return;
      case Ending::kStall:
        return;
      default:
        stream_->Cancel();
    }
  }

  void CheckAnswer() {
    if (cell_.ending == Ending::kStall) {
      // The engine ends it without its reader.
      while (held_->engine().stats().running + held_->engine().stats().parked > 0) {
        std::this_thread::yield();
      }
    }
    const Answer answer = Collect(*stream_);
    const absl::StatusCode code = answer.ended.status.code();
    const bool may_end_well = cell_.ending != Ending::kStall;
    EXPECT_TRUE(code == CodeOf(cell_.ending) || (may_end_well && code == absl::StatusCode::kOk))
        << answer.ended.status;
    if (blocker_ != nullptr) Collect(*blocker_);
  }

  void CheckEngine() {
    const EngineStats stats = held_->engine().stats();
    EXPECT_EQ(stats.slots_used, 0);
    EXPECT_EQ(stats.running, 0);
    EXPECT_EQ(stats.queued, 0);
    EXPECT_EQ(stats.queued_tokens, 0);
    EXPECT_EQ(stats.parked, 0);
    EXPECT_EQ(stats.parked_bytes, 0);
    EXPECT_EQ(stats.extraction_bytes, 0);
    // A closed engine takes nothing, and a reader that is watched so closely may stall by chance.
    if (cell_.ending == Ending::kShutdown || cell_.ending == Ending::kStall) return;
    const Answer next = Collect(*Submit(held_->engine(), Generation(12)));
    EXPECT_EQ(Bits(next), Bits(QuietAnswer())) << "the slot shows its past";
  }

  absl::Duration RandomDelay() {
    return absl::Microseconds(
        std::uniform_int_distribution<int>(0, kMaxDelayMicroseconds)(random_));
  }

  const Cell cell_;
  std::mt19937 random_;
  std::unique_ptr<HeldEngine> held_;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::shared_ptr<RequestStream> blocker_;
  std::shared_ptr<RequestStream> stream_;
};

class EndingMatrixTest : public testing::TestWithParam<Cell> {};

TEST_P(EndingMatrixTest, LeavesNothingBehind) {
  for (int race = 0; race < kRaces; ++race) {
    SCOPED_TRACE(absl::StrCat("race ", race));
    Race(GetParam(), race).Run();
  }
}

INSTANTIATE_TEST_SUITE_P(All, EndingMatrixTest, testing::ValuesIn(AllCells()), NameOf);

}  // namespace
}  // namespace scanserve::runtime
