// Requests whose one prompt is continued by several sequences.
#include <gtest/gtest.h>

#include "core/runtime/engine_loop.h"
#include "tests/core/runtime/forked_job.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"

namespace scanserve::runtime {
namespace {

constexpr int32_t kEndless = 1'000'000'000;
const std::vector<int32_t> kPrompt = {40, 41, 42, 43, 44};

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel("tests/golden/checkpoints/odd_vocabulary");
  return model;
}

// An engine whose steps are held.
class ForkEngine {
 public:
  explicit ForkEngine(int32_t slots) : loop_(Options(slots, gate_), TinyModel()) {}
  ~ForkEngine() { gate_.Open(); }
  ForkEngine(const ForkEngine&) = delete;
  ForkEngine& operator=(const ForkEngine&) = delete;

  std::shared_ptr<RequestStream> Submit(std::vector<int32_t> lengths, RequestBasics basics = {}) {
    auto stream = loop_.NewStream();
    auto submitted = loop_.Submit(
        std::make_unique<ForkedJob>(kPrompt, std::move(lengths), stream, std::move(basics)),
        stream);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return stream;
  }

  StepGate& gate() { return gate_; }
  EngineLoop& loop() { return loop_; }

 private:
  static EngineOptions Options(int32_t slots, StepGate& gate) {
    EngineOptions options;
    options.threads = 1;
    options.state_slots = slots;
    options.step_tokens = 8;
    options.poison_freed_state = true;
    options.before_step = [&gate](int64_t step) { gate.Pass(step); };
    return options;
  }

  StepGate gate_;
  EngineLoop loop_;
};

// The tokens of each choice, in the order in which they ended, which is that of their lengths.
std::vector<std::vector<int32_t>> Choices(RequestStream& stream) {
  std::vector<std::vector<int32_t>> choices;
  EXPECT_TRUE(std::holds_alternative<Started>(stream.Wait()));
  for (;;) {
    const Event event = stream.Wait();
    if (const auto* ended = std::get_if<Ended>(&event)) {
      EXPECT_TRUE(ended->status.ok()) << ended->status;
      EXPECT_FALSE(stream.Next().has_value());
      return choices;
    }
    choices.push_back(std::get<Delta>(event).tokens);
  }
}

void ExpectIdle(const Engine& engine) {
  EXPECT_EQ(engine.stats().slots_used, 0);
  EXPECT_EQ(engine.stats().running, 0);
  EXPECT_EQ(engine.stats().queued, 0);
}

TEST(EngineForkTest, EachForkGoesOnFromTheStateOfThePrompt) {
  ForkEngine engine(3);
  engine.gate().Open();
  const auto choices = Choices(*engine.Submit({4, 6, 8}));
  ASSERT_EQ(choices.size(), 3U);
  // What a request gets that reads prompt and first token as its own prompt.
  for (size_t i = 0; i < choices.size(); ++i) {
    ASSERT_EQ(choices[i].size(), 4 + 2 * i);
    GenerateRequest request;
    request.prompt = kPrompt;
    request.prompt.push_back(choices[i][0]);
    request.sampling.max_new_tokens = static_cast<int32_t>(choices[i].size()) - 1;
    request.sampling.temperature = 0;
    request.sampling.ignore_eos = true;
    const Answer straight = Collect(*Submit(engine.loop(), request));
    EXPECT_EQ(std::vector<int32_t>(choices[i].begin() + 1, choices[i].end()), straight.tokens);
  }
  EXPECT_NE(choices[0][0], choices[1][0]);
  ExpectIdle(engine.loop());
}

TEST(EngineForkTest, ItHoldsAllItsSlotsFromTheStartAndGivesEachBackAtItsEnd) {
  ForkEngine engine(3);
  const auto stream = engine.Submit({1, 2, 5});
  engine.gate().AwaitArrival(1);
  EXPECT_EQ(engine.loop().stats().slots_used, 3);
  EXPECT_EQ(engine.loop().stats().running, 1);
  // The first token ends choice 0 at once.
  engine.gate().AllowUpTo(1);
  engine.gate().AwaitArrival(2);
  EXPECT_EQ(engine.loop().stats().slots_used, 2);
  EXPECT_EQ(engine.loop().stats().running, 2);
  engine.gate().AllowUpTo(2);
  engine.gate().AwaitArrival(3);
  EXPECT_EQ(engine.loop().stats().slots_used, 1);
  engine.gate().Open();
  EXPECT_EQ(Choices(*stream).size(), 3U);
  ExpectIdle(engine.loop());
}

TEST(EngineForkTest, ItWaitsUntilAllItsSlotsAreFreeAndIsNotOvertaken) {
  ForkEngine engine(2);
  const auto running = engine.Submit({3});
  engine.gate().AwaitArrival(1);
  const auto pair = engine.Submit({4, 4});
  const auto small = engine.Submit({1});
  engine.gate().AllowUpTo(1);
  engine.gate().AwaitArrival(2);
  EXPECT_EQ(engine.loop().stats().slots_used, 1);
  EXPECT_EQ(engine.loop().stats().queued, 2);
  engine.gate().Open();
  EXPECT_EQ(Choices(*running).size(), 1U);
  EXPECT_EQ(Choices(*pair).size(), 2U);
  EXPECT_EQ(Choices(*small).size(), 1U);
}

TEST(EngineForkTest, MoreSequencesThanSlotsAreRefused) {
  ForkEngine engine(2);
  auto stream = engine.loop().NewStream();
  const auto refused = engine.loop().Submit(
      std::make_unique<ForkedJob>(kPrompt, std::vector<int32_t>{1, 1, 1}, stream), stream);
  EXPECT_EQ(refused.status(),
            absl::InvalidArgumentError("n 3: at most 2 sequences run at once here"));
}

// Ends a request of three sequences before `step`, and expects all of them gone with one Ended.
template <typename EndIt>
void ExpectAllEndTogether(int64_t step, absl::StatusCode code, EndIt end_it) {
  ForkEngine engine(3);
  const auto stream = engine.Submit({kEndless, kEndless, kEndless});
  engine.gate().AllowUpTo(step - 1);
  engine.gate().AwaitArrival(step);
  end_it(engine.loop(), *stream);
  engine.gate().Open();
  EXPECT_EQ(Collect(*stream).ended.status.code(), code);
  ExpectIdle(engine.loop());
  EXPECT_EQ(engine.loop().stats().steps, step);
}

TEST(EngineForkTest, ACancelEndsAllSequencesAtOnce) {
  const auto cancel = [](EngineLoop&, RequestStream& stream) { stream.Cancel(); };
  ExpectAllEndTogether(1, absl::StatusCode::kCancelled, cancel);  // before the fork
  ExpectAllEndTogether(3, absl::StatusCode::kCancelled, cancel);
}

TEST(EngineForkTest, EndedInThePromptItGivesTheSlotsOfItsForksBack) {
  ForkEngine engine(3);
  auto stream = engine.loop().NewStream();
  // More than one step reads.
  auto job = std::make_unique<ForkedJob>(std::vector<int32_t>(20, 40),
                                         std::vector<int32_t>{1, 1, 1}, stream);
  ASSERT_TRUE(engine.loop().Submit(std::move(job), stream).ok());
  engine.gate().AllowUpTo(1);
  engine.gate().AwaitArrival(2);
  EXPECT_EQ(engine.loop().stats().slots_used, 3);
  stream->Cancel();
  engine.gate().Open();
  EXPECT_TRUE(absl::IsCancelled(Collect(*stream).ended.status));
  ExpectIdle(engine.loop());
}

TEST(EngineForkTest, ShutdownEndsAllSequencesAtOnce) {
  ExpectAllEndTogether(3, absl::StatusCode::kUnavailable, [](EngineLoop& loop, RequestStream&) {
    loop.CancelAll(absl::UnavailableError("closing"));
  });
}

TEST(EngineForkTest, ADeadlineEndsAllSequences) {
  ForkEngine engine(3);
  engine.gate().Open();
  RequestBasics basics;
  basics.deadline = absl::Now() + absl::Milliseconds(20);
  const auto stream = engine.Submit({kEndless, kEndless, kEndless}, basics);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Collect(*stream).ended.status));
  ExpectIdle(engine.loop());
}

}  // namespace
}  // namespace scanserve::runtime
