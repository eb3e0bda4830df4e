// Clients that do not read: they leave their slots to others, keep what they have, and end in time.
#include <gtest/gtest.h>

#include <thread>

#include "core/runtime/engine_loop.h"
#include "tests/core/runtime/forked_job.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"

namespace scanserve::runtime {
namespace {

constexpr int32_t kEndless = 1'000'000'000;

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel("tests/golden/checkpoints/odd_vocabulary");
  return model;
}

EngineOptions Options(int32_t slots) {
  EngineOptions options;
  options.threads = 1;
  options.state_slots = slots;
  options.step_tokens = 8;
  options.stream_events = 4;
  options.stall_park = absl::Milliseconds(10);
  options.stall_limit = absl::Hours(1);
  options.poison_freed_state = true;
  // The steps are counted: each prompt is read.
  options.prefix_cache_bytes = 0;
  return options;
}

GenerateRequest Generation(int32_t new_tokens, uint64_t seed = 0) {
  GenerateRequest request;
  request.prompt = {40, 41, 42, 43, 44};
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  request.sampling.seed = seed;
  return request;
}

// Under an order of one layer, so that the prompt is read layer by layer.
ScoreRequest LayerByLayerScoring() {
  ScoreRequest request;
  request.tokens.assign(60, 33);
  request.window_tokens = 10;
  request.per_token = true;
  request.basics.scan.order = *order::ScanOrder::FromEntries({2, 1, 0});
  request.basics.scan.target_layers = {1};
  return request;
}

int64_t StateBytes() { return model::SequenceState(TinyModel()->config).bytes(); }

// Until the engine has parked `requests`. Its stats change only where its thread passes.
void AwaitParked(const Engine& engine, int64_t requests) {
  while (engine.stats().parked != requests) std::this_thread::yield();
}

void ExpectIdle(const Engine& engine) {
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.slots_used, 0);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.queued, 0);
  EXPECT_EQ(stats.parked, 0);
  EXPECT_EQ(stats.parked_bytes, 0);
}

std::string BitsAlone(const AnyRequest& request) {
  EngineOptions options = Options(1);
  options.stream_events = 1000;
  const auto engine = Engine::Create(options, TinyModel());
  return Bits(Collect(*Submit(*engine, request)));
}

TEST(EngineParkingTest, AsManyStalledReadersAsSlotsLeaveThemToANewClient) {
  const auto engine = Engine::Create(Options(3), TinyModel());
  std::vector<std::shared_ptr<RequestStream>> stalled;
  for (uint64_t i = 0; i < 3; ++i) stalled.push_back(Submit(*engine, Generation(50, i)));
  // Waits in the queue until one is parked. Few enough events never to wait for its reader.
  const Answer answer = Collect(*Submit(*engine, Generation(2)));
  EXPECT_TRUE(answer.ended.status.ok()) << answer.ended.status;
  AwaitParked(*engine, 3);
  EXPECT_EQ(engine->stats().slots_used, 0);
  EXPECT_EQ(engine->stats().parked_bytes, 3 * StateBytes());
  // Who comes back gets all of it, to the bit.
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Bits(Collect(*stalled[i])), BitsAlone(Generation(50, i)));
  }
  ExpectIdle(*engine);
}

TEST(EngineParkingTest, AParkedOneWhoseReaderReadsAgainGoesBeforeTheQueue) {
  HeldEngine held(Options(1), TinyModel());
  Engine& engine = held.engine();
  held.gate().AllowUpTo(3);
  const auto parked = Submit(engine, Generation(50));
  // Three steps fill its stream: Started and three tokens.
  AwaitParked(engine, 1);
  const auto running = Submit(engine, Generation(1));
  held.gate().AwaitArrival(4);
  const auto queued = Submit(engine, Generation(1));
  EXPECT_TRUE(parked->Next().has_value());
  held.gate().AllowUpTo(4);
  // Step 4 ends the one that runs; step 5 is the parked one's, while the other still waits.
  held.gate().AwaitArrival(5);
  EXPECT_EQ(engine.stats().queued, 1);
  EXPECT_EQ(engine.stats().parked, 0);
  EXPECT_EQ(engine.stats().slots_used, 1);
  held.gate().Open();
  EXPECT_TRUE(Collect(*running).ended.status.ok());
  EXPECT_EQ(Collect(*parked).tokens.size(), 50U);
  EXPECT_TRUE(Collect(*queued).ended.status.ok());
  ExpectIdle(engine);
}

TEST(EngineParkingTest, WhenTheBoundIsReachedTheOneStalledLongestEnds) {
  EngineOptions options = Options(1);
  options.park_bytes = 2 * StateBytes() + 1;
  const auto engine = Engine::Create(options, TinyModel());
  std::vector<std::shared_ptr<RequestStream>> stalled;
  for (int i = 0; i < 3; ++i) {
    const int64_t steps = engine->stats().steps;
    stalled.push_back(Submit(*engine, Generation(50)));
    // Until it has run, and has left its slot.
    while (engine->stats().steps == steps || engine->stats().slots_used > 0) {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(engine->stats().parked, 2);
  EXPECT_LE(engine->stats().parked_bytes, options.park_bytes);
  const Answer first = Collect(*stalled[0]);
  EXPECT_EQ(first.ended.status,
            absl::ResourceExhaustedError(
                absl::StrCat("the client does not read, and parked requests would take more than ",
                             options.park_bytes, " bytes")));
  EXPECT_LE(first.tokens.size(), 4U);
  EXPECT_EQ(Collect(*stalled[1]).tokens.size(), 50U);
  EXPECT_EQ(Collect(*stalled[2]).tokens.size(), 50U);
  ExpectIdle(*engine);
}

TEST(EngineParkingTest, WithoutRoomForItsOwnStateItEndsInsteadOfParking) {
  EngineOptions options = Options(1);
  options.park_bytes = 0;
  const auto engine = Engine::Create(options, TinyModel());
  const auto stalled = Submit(*engine, Generation(kEndless));
  EXPECT_TRUE(Collect(*Submit(*engine, Generation(1))).ended.status.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Collect(*stalled).ended.status));
  ExpectIdle(*engine);
}

TEST(EngineParkingTest, AParkedOneEndsAtTheStallLimitItsDeadlineACancelOrTheEnd) {
  EngineOptions options = Options(4);
  const auto end = [&](auto end_it, absl::StatusCode code) {
    const auto engine = Engine::Create(options, TinyModel());
    GenerateRequest request = Generation(kEndless);
    const auto stream = end_it(*engine, request);
    EXPECT_EQ(Collect(*stream).ended.status.code(), code);
    ExpectIdle(*engine);
  };
  const auto parked = [](Engine& engine, const GenerateRequest& request) {
    auto stream = Submit(engine, request);
    AwaitParked(engine, 1);
    return stream;
  };
  end(
      [&](Engine& engine, const GenerateRequest& request) {
        auto stream = parked(engine, request);
        stream->Cancel();
        AwaitParked(engine, 0);
        return stream;
      },
      absl::StatusCode::kCancelled);
  end(
      [&](Engine& engine, const GenerateRequest& request) {
        auto stream = parked(engine, request);
        engine.CancelAll(absl::UnavailableError("closing"));
        AwaitParked(engine, 0);
        return stream;
      },
      absl::StatusCode::kUnavailable);
  end(
      [&](Engine& engine, GenerateRequest request) {
        request.basics.deadline = absl::Now() + absl::Seconds(1);
        auto stream = parked(engine, request);
        AwaitParked(engine, 0);
        return stream;
      },
      absl::StatusCode::kDeadlineExceeded);
  options.stall_limit = absl::Milliseconds(60);
  end(
      [&](Engine& engine, const GenerateRequest& request) {
        auto stream = Submit(engine, request);
        // Other than by its reader it goes from the slots and from the parked ones.
        while (engine.stats().steps == 0 || engine.stats().slots_used + engine.stats().parked > 0) {
          std::this_thread::yield();
        }
        return stream;
      },
      absl::StatusCode::kResourceExhausted);
}

TEST(EngineParkingTest, AScoringThatIsParkedGoesOnWhereItWas) {
  EngineOptions options = Options(1);
  options.stream_events = 2;
  const auto engine = Engine::Create(options, TinyModel());
  const auto slow = Submit(*engine, LayerByLayerScoring());
  AwaitParked(*engine, 1);
  EXPECT_GE(engine->stats().parked_bytes, StateBytes());
  EXPECT_EQ(Bits(Collect(*slow)), BitsAlone(LayerByLayerScoring()));
  ExpectIdle(*engine);
}

TEST(EngineParkingTest, AParkedOneThatNeedsMoreSlotsThanAreFreeIsWaitedFor) {
  EngineOptions options = Options(2);
  options.stream_events = 1;
  EngineLoop loop(options, TinyModel());
  const auto submit = [&](std::vector<int32_t> lengths) {
    auto stream = loop.NewStream();
    auto job =
        std::make_unique<ForkedJob>(std::vector<int32_t>{40, 41}, std::move(lengths), stream);
    EXPECT_TRUE(loop.Submit(std::move(job), stream).ok());
    return stream;
  };
  const auto pair = submit({2, 2});
  AwaitParked(loop, 1);
  const auto running = submit({kEndless});
  EXPECT_TRUE(std::holds_alternative<Started>(running->Wait()));
  // It may have been parked for a moment; it has room from now on.
  while (loop.stats().running == 0) std::this_thread::yield();
  // The pair is ready, one slot is free, and one that needs no more comes.
  EXPECT_TRUE(std::holds_alternative<Started>(pair->Wait()));
  const auto small = submit({2});
  const int64_t steps = loop.stats().steps;
  while (loop.stats().steps < steps + 50) std::this_thread::yield();
  EXPECT_EQ(loop.stats().queued, 1);
  EXPECT_EQ(loop.stats().slots_used, 1);
  running->Cancel();
  EXPECT_TRUE(Collect(*pair).ended.status.ok());
  EXPECT_TRUE(Collect(*small).ended.status.ok());
  Collect(*running);
  ExpectIdle(loop);
}

TEST(EngineParkingTest, AllSequencesOfARequestAreParkedAndComeBackTogether) {
  EngineOptions options = Options(3);
  options.stream_events = 1;
  EngineLoop loop(options, TinyModel());
  // Started fills the stream before the prompt is read, so the slots of its forks go too.
  auto stream = loop.NewStream();
  ASSERT_TRUE(loop.Submit(std::make_unique<ForkedJob>(std::vector<int32_t>{40, 41, 42},
                                                      std::vector<int32_t>{3, 4, 5}, stream),
                          stream)
                  .ok());
  AwaitParked(loop, 1);
  EXPECT_EQ(loop.stats().slots_used, 0);
  EXPECT_EQ(loop.stats().parked_bytes, StateBytes());
  // One event at most waits: it fills up and is parked again, now as two sequences.
  EXPECT_TRUE(std::holds_alternative<Started>(stream->Wait()));
  while (loop.stats().parked_bytes != 2 * StateBytes()) std::this_thread::yield();
  EXPECT_EQ(loop.stats().slots_used, 0);
  const Answer answer = Collect(*stream);
  EXPECT_TRUE(answer.ended.status.ok()) << answer.ended.status;
  EXPECT_EQ(answer.tokens.size(), 3U + 4U + 5U);
  ExpectIdle(loop);
}

}  // namespace
}  // namespace scanserve::runtime
