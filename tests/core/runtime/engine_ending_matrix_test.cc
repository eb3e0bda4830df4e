// Every way to end, of every kind of request, at every stage: nothing stays behind.
#include <gtest/gtest.h>

#include <thread>

#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"

namespace scanserve::runtime {
namespace {

enum class Kind { kGenerate, kScore, kExtract };
enum class Stage { kQueued, kPrompt, kDecode, kDelivery };
enum class Ending { kCancel, kDeadline, kShutdown, kDone };

constexpr Kind kKinds[] = {Kind::kGenerate, Kind::kScore, Kind::kExtract};
constexpr Stage kStages[] = {Stage::kQueued, Stage::kPrompt, Stage::kDecode, Stage::kDelivery};
constexpr Ending kEndings[] = {Ending::kCancel, Ending::kDeadline, Ending::kShutdown,
                               Ending::kDone};

// The first two steps read prompts, with what the slots and the token budget leave.
constexpr int64_t kStepTokens = 8;

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel("tests/golden/checkpoints/odd_vocabulary");
  return model;
}

AnyRequest RequestOf(Kind kind, absl::Time deadline) {
  RequestBasics basics;
  basics.deadline = deadline;
  const std::vector<int32_t> tokens(3 * kStepTokens, 33);
  switch (kind) {
    case Kind::kGenerate: {
      GenerateRequest request;
      request.basics = basics;
      request.prompt = tokens;
      request.sampling.max_new_tokens = 5;
      request.sampling.ignore_eos = true;
      return request;
    }
    case Kind::kScore: {
      // A second reading goes on from the state of the first, as decoding does.
      ScoreRequest request;
      request.basics = basics;
      request.tokens = tokens;
      request.tokens.insert(request.tokens.end(), 3 * kStepTokens, 34);
      request.mode = PerplexityMode::kContinuation;
      request.prefix_tokens = 3 * kStepTokens;
      request.per_token = true;
      return request;
    }
    case Kind::kExtract:
      break;
  }
  ExtractRequest request;
  request.basics = basics;
  request.tokens = tokens;
  request.layers = {1};
  request.end_position = static_cast<int64_t>(tokens.size());
  return request;
}

// The step before which a request that began with the first is at `stage`.
int64_t StepOf(Stage stage) { return stage == Stage::kPrompt ? 2 : 4; }

void ExpectIdle(const Engine& engine) {
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.slots_used, 0);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.queued, 0);
  EXPECT_EQ(stats.queued_low, 0);
  EXPECT_EQ(stats.queued_tokens, 0);
  EXPECT_EQ(stats.parked, 0);
  EXPECT_EQ(stats.parked_bytes, 0);
  EXPECT_EQ(stats.extraction_bytes, 0);
}

absl::StatusCode CodeOf(Ending ending) {
  switch (ending) {
    case Ending::kCancel:
      return absl::StatusCode::kCancelled;
    case Ending::kDeadline:
      return absl::StatusCode::kDeadlineExceeded;
    case Ending::kShutdown:
      return absl::StatusCode::kUnavailable;
    case Ending::kDone:
      break;
  }
  return absl::StatusCode::kOk;
}

class EndedRequest {
 public:
  EndedRequest(Kind kind, Stage stage, Ending ending)
      : kind_(kind), stage_(stage), ending_(ending), held_(Options(stage), TinyModel()) {}

  void ExpectNothingLeft() {
    std::shared_ptr<RequestStream> running;
    // Who waits, waits for the slot of another.
    if (stage_ == Stage::kQueued) {
      running = Submit(held_.engine(), RequestOf(Kind::kGenerate, absl::InfiniteFuture()));
      held_.gate().AwaitArrival(1);
    }
    if (ending_ == Ending::kDeadline) deadline_ = absl::Now() + absl::Milliseconds(20);
    const auto stream = Submit(held_.engine(), RequestOf(kind_, deadline_));
    Reach();
    EndIt(*stream);
    held_.gate().Open();
    const absl::StatusCode code = Collect(*stream).ended.status.code();
    // What had been computed when the end came is delivered, not lost.
    EXPECT_TRUE(code == CodeOf(ending_) || (MayBeDone() && code == absl::StatusCode::kOk)) << code;
    if (running != nullptr) Collect(*running);
    ExpectIdle(held_.engine());
  }

 private:
  static EngineOptions Options(Stage stage) {
    EngineOptions options;
    options.threads = 1;
    options.state_slots = stage == Stage::kQueued ? 1 : 2;
    options.step_tokens = kStepTokens;
    options.poison_freed_state = true;
    return options;
  }

  // Until it is at its stage and stays there.
  void Reach() {
    if (stage_ == Stage::kQueued) {
      EXPECT_EQ(held_.engine().stats().queued, 1);
      return;
    }
    if (stage_ != Stage::kDelivery) {
      // An extraction is one reading: its last step stands for decoding.
      const int64_t step = std::min(StepOf(stage_), kind_ == Kind::kExtract ? 3 : INT64_MAX);
      held_.gate().AllowUpTo(step - 1);
      // A deadline may come first where the machine is busy, and ends it as well.
      held_.gate().AwaitArrivalUntil(step, deadline_);
      return;
    }
    // All is computed, and nobody has read; or the deadline came first.
    held_.gate().Open();
    const auto is_busy = [&] {
      const EngineStats stats = held_.engine().stats();
      return stats.running > 0 || stats.steps == 0;
    };
    while (is_busy() && absl::Now() <= deadline_) std::this_thread::yield();
  }

  void EndIt(RequestStream& stream) {
    switch (ending_) {
      case Ending::kCancel:
        return stream.Cancel();
      case Ending::kDeadline:
        while (absl::Now() <= deadline_) std::this_thread::yield();
        return;
      case Ending::kShutdown:
        return held_.engine().CancelAll(absl::UnavailableError("closing"));
      case Ending::kDone:
        return;
    }
  }

  // What was computed, or is under way in its last step, may arrive all the same.
  bool MayBeDone() const {
    return stage_ == Stage::kDelivery || (kind_ == Kind::kExtract && stage_ == Stage::kDecode);
  }

  const Kind kind_;
  const Stage stage_;
  const Ending ending_;
  absl::Time deadline_ = absl::InfiniteFuture();
  HeldEngine held_;
};

TEST(EngineEndingMatrixTest, NothingStaysBehindWhateverEndsWhatAndWhen) {
  for (const Kind kind : kKinds) {
    for (const Stage stage : kStages) {
      for (const Ending ending : kEndings) {
        SCOPED_TRACE(testing::Message()
                     << "kind " << static_cast<int>(kind) << " stage " << static_cast<int>(stage)
                     << " ending " << static_cast<int>(ending));
        EndedRequest(kind, stage, ending).ExpectNothingLeft();
      }
    }
  }
}

// Cancels from another thread while the engine's is anywhere.
TEST(EngineEndingMatrixTest, ACancelAtAnyMomentLeavesNothingBehind) {
  EngineOptions options;
  options.threads = 2;
  options.state_slots = 2;
  options.step_tokens = kStepTokens;
  options.stream_events = 2;
  options.stall_park = absl::Milliseconds(1);
  options.poison_freed_state = true;
  const auto engine = Engine::Create(options, TinyModel());
  for (int i = 0; i < 300; ++i) {
    const auto stream = Submit(*engine, RequestOf(kKinds[i % 3], absl::InfiniteFuture()));
    const auto other = Submit(*engine, RequestOf(kKinds[i / 3 % 3], absl::InfiniteFuture()));
    for (int spins = 0; spins < i * 20; ++spins) engine->stats();
    stream->Cancel();
    other->Cancel();
    Collect(*stream);
    Collect(*other);
    ExpectIdle(*engine);
  }
}

}  // namespace
}  // namespace scanserve::runtime
