// How requests end before they are done, and that each gives back what it held.
#include <gtest/gtest.h>

#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"
#include "tests/core/runtime/same_bits.h"
#include "tests/core/runtime/signal.h"

namespace scanserve::runtime {
namespace {

constexpr int32_t kEndless = 1'000'000'000;

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel("tests/golden/checkpoints/odd_vocabulary");
  return model;
}

GenerateRequest Generation(int64_t prompt_tokens, int32_t new_tokens) {
  GenerateRequest request;
  request.prompt.assign(static_cast<size_t>(prompt_tokens), 33);
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  return request;
}

// Of 10 tokens in one layer.
ExtractRequest Extraction() {
  ExtractRequest request;
  request.tokens.assign(10, 33);
  request.layers = {1};
  request.end_position = 10;
  return request;
}

int64_t ExtractionBytes() { return 10 * TinyModel()->config.hidden_size * 4; }

EngineOptions OneSlot() {
  EngineOptions options;
  options.threads = 1;
  options.state_slots = 1;
  options.step_tokens = 8;
  options.poison_freed_state = true;
  return options;
}

void ExpectEndsWith(RequestStream& stream, absl::StatusCode code) {
  const Answer answer = Collect(stream);
  EXPECT_EQ(answer.ended.status.code(), code) << answer.ended.status;
}

void ExpectIdle(const Engine& engine) {
  EXPECT_EQ(engine.stats().slots_used, 0);
  EXPECT_EQ(engine.stats().running, 0);
  EXPECT_EQ(engine.stats().queued, 0);
}

TEST(EngineEndingTest, CancelledInTheQueueItNeverStarts) {
  HeldEngine held(OneSlot(), TinyModel());
  const auto running = Submit(held.engine(), Generation(3, 3));
  held.gate().AwaitArrival(1);
  const auto queued = Submit(held.engine(), Generation(3, 3));
  EXPECT_EQ(held.engine().stats().queued, 1);
  queued->Cancel();
  held.gate().AllowUpTo(1);
  const Answer answer = Collect(*queued);
  EXPECT_TRUE(absl::IsCancelled(answer.ended.status));
  EXPECT_FALSE(answer.started);
  held.gate().Open();
  ExpectEndsWith(*running, absl::StatusCode::kOk);
  ExpectIdle(held.engine());
}

// Cancels before step `step` and expects no step after it.
void ExpectCancelBeforeStep(GenerateRequest request, int64_t step) {
  HeldEngine held(OneSlot(), TinyModel());
  const auto stream = Submit(held.engine(), std::move(request));
  held.gate().AllowUpTo(step - 1);
  held.gate().AwaitArrival(step);
  stream->Cancel();
  held.gate().Open();
  ExpectEndsWith(*stream, absl::StatusCode::kCancelled);
  ExpectIdle(held.engine());
  EXPECT_EQ(held.engine().stats().steps, step);
  // The slot serves the next one.
  ExpectEndsWith(*Submit(held.engine(), Generation(3, 3)), absl::StatusCode::kOk);
}

TEST(EngineEndingTest, CancelledInThePromptItTakesNoOtherStep) {
  ExpectCancelBeforeStep(Generation(40, 1), 2);
}

TEST(EngineEndingTest, CancelledInAPassLayerByLayerItTakesNoOtherStep) {
  GenerateRequest request = Generation(40, 1);
  request.basics.scan.order = *order::ScanOrder::FromEntries({2, 1, 0});
  request.basics.scan.target_layers = {1};
  ExpectCancelBeforeStep(request, 3);
}

TEST(EngineEndingTest, CancelledWhileDecodingItTakesNoOtherStep) {
  ExpectCancelBeforeStep(Generation(3, kEndless), 5);
}

TEST(EngineEndingTest, ADeadlineThatPassedInTheQueueEndsItThere) {
  HeldEngine held(OneSlot(), TinyModel());
  const auto running = Submit(held.engine(), Generation(3, 3));
  held.gate().AwaitArrival(1);
  GenerateRequest late = Generation(3, 3);
  late.basics.deadline = absl::InfinitePast();
  const auto queued = Submit(held.engine(), late);
  held.gate().AllowUpTo(1);
  const Answer answer = Collect(*queued);
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer.ended.status));
  EXPECT_FALSE(answer.started);
  held.gate().Open();
  ExpectEndsWith(*running, absl::StatusCode::kOk);
  ExpectIdle(held.engine());
}

TEST(EngineEndingTest, ADeadlineEndsARunningRequest) {
  const auto engine = Engine::Create(OneSlot(), TinyModel());
  GenerateRequest request = Generation(3, kEndless);
  request.basics.deadline = absl::Now() + absl::Milliseconds(20);
  ExpectEndsWith(*Submit(*engine, request), absl::StatusCode::kDeadlineExceeded);
  ExpectIdle(*engine);
}

TEST(EngineEndingTest, AFullQueueRefusesAtOnce) {
  EngineOptions options = OneSlot();
  options.queued_requests = 2;
  HeldEngine held(options, TinyModel());
  std::vector<std::shared_ptr<RequestStream>> streams = {Submit(held.engine(), Generation(3, 1))};
  held.gate().AwaitArrival(1);
  for (int i = 0; i < 2; ++i) streams.push_back(Submit(held.engine(), Generation(3, 1)));
  const auto refused = TrySubmit(held.engine(), Generation(3, 1));
  EXPECT_EQ(refused.status().message(), "the queue is full: 2 requests wait, at most 2");
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  held.gate().Open();
  for (const auto& stream : streams) ExpectEndsWith(*stream, absl::StatusCode::kOk);
  ExpectEndsWith(*Submit(held.engine(), Generation(3, 1)), absl::StatusCode::kOk);
}

TEST(EngineEndingTest, AQueueFullOfTokensRefusesButNeverItsFirst) {
  EngineOptions options = OneSlot();
  options.queued_tokens = 10;
  HeldEngine held(options, TinyModel());
  const auto running = Submit(held.engine(), Generation(3, 1));
  held.gate().AwaitArrival(1);
  const auto large = Submit(held.engine(), Generation(30, 1));
  EXPECT_TRUE(absl::IsResourceExhausted(TrySubmit(held.engine(), Generation(1, 1)).status()));
  held.gate().Open();
  ExpectEndsWith(*large, absl::StatusCode::kOk);
  // Its tokens wait no longer.
  ExpectEndsWith(*Submit(held.engine(), Generation(10, 1)), absl::StatusCode::kOk);
}

TEST(EngineEndingTest, ASlowReaderPausesItselfAloneAndEndsAfterTheStallLimit) {
  EngineOptions options = OneSlot();
  options.state_slots = 2;
  options.stream_events = 4;
  options.stall_limit = absl::Milliseconds(20);
  Signal released;
  const auto order = *order::ScanOrder::FromEntries({0});
  const auto engine = Engine::Create(options, TinyModel());
  GenerateRequest unread = Generation(3, kEndless);
  // Goes when the engine lets the request go.
  unread.basics.scan.order = std::shared_ptr<const order::ScanOrder>(
      order.get(), [&](const order::ScanOrder*) { released.Raise(); });
  const auto stalled = Submit(*engine, std::move(unread));
  // Few enough events never to wait for its reader.
  const Answer other = Collect(*Submit(*engine, Generation(3, 2)));
  EXPECT_TRUE(other.ended.status.ok()) << other.ended.status;
  EXPECT_EQ(other.tokens.size(), 2U);
  released.Await();
  const Answer answer = Collect(*stalled);
  EXPECT_TRUE(absl::IsResourceExhausted(answer.ended.status)) << answer.ended.status;
  EXPECT_LE(answer.tokens.size(), 4U);
  ExpectIdle(*engine);
}

TEST(EngineEndingTest, AReaderThatComesBackInTimeGetsEverything) {
  EngineOptions options = OneSlot();
  options.state_slots = 2;
  options.stream_events = 2;
  const auto engine = Engine::Create(options, TinyModel());
  const auto slow = Submit(*engine, Generation(3, 50));
  const std::string expected = Bits(Collect(*Submit(*engine, Generation(3, 50))));
  EXPECT_EQ(engine->stats().slots_used, 1);
  EXPECT_EQ(Bits(Collect(*slow)), expected);
}

TEST(EngineEndingTest, CancelAllEndsWhatWaitsAndRunsAndRefusesTheRest) {
  HeldEngine held(OneSlot(), TinyModel());
  const auto running = Submit(held.engine(), Generation(3, kEndless));
  held.gate().AwaitArrival(1);
  const auto queued = Submit(held.engine(), Generation(3, 3));
  held.engine().CancelAll(absl::UnavailableError("closing"));
  held.gate().Open();
  for (const auto& stream : {running, queued}) {
    EXPECT_EQ(Collect(*stream).ended.status, absl::UnavailableError("closing"));
  }
  ExpectIdle(held.engine());
  EXPECT_TRUE(absl::IsUnavailable(TrySubmit(held.engine(), Generation(3, 3)).status()));
}

TEST(EngineEndingTest, AnExtractionWaitsForTheMemoryOfAnother) {
  EngineOptions options = OneSlot();
  options.max_extraction_bytes = ExtractionBytes();
  const auto engine = Engine::Create(options, TinyModel());
  Answer first = Collect(*Submit(*engine, Extraction()));
  ASSERT_NE(first.hidden, nullptr);
  const auto second = Submit(*engine, Extraction());
  // Others pass it by.
  ExpectEndsWith(*Submit(*engine, Generation(3, 3)), absl::StatusCode::kOk);
  EXPECT_EQ(engine->stats().queued, 1);
  EXPECT_FALSE(second->Next().has_value());
  const std::vector<float> values = *first.hidden;
  first.hidden.reset();
  EXPECT_EQ(*Collect(*second).hidden, values);
  // Whoever waits for memory alone is still ended by its deadline.
  const Answer held = Collect(*Submit(*engine, Extraction()));
  ExtractRequest impatient = Extraction();
  impatient.basics.deadline = absl::Now() + absl::Milliseconds(20);
  ExpectEndsWith(*Submit(*engine, impatient), absl::StatusCode::kDeadlineExceeded);
}

TEST(EngineEndingTest, AnExtractionThatIsCancelledGivesItsMemoryBack) {
  EngineOptions options = OneSlot();
  options.state_slots = 2;
  options.max_extraction_bytes = ExtractionBytes();
  HeldEngine held(options, TinyModel());
  ExtractRequest long_prompt = Extraction();
  long_prompt.tokens.assign(30, 33);
  const auto cancelled = Submit(held.engine(), long_prompt);
  held.gate().AllowUpTo(1);
  held.gate().AwaitArrival(2);
  const auto waiting = Submit(held.engine(), Extraction());
  cancelled->Cancel();
  held.gate().Open();
  ExpectEndsWith(*cancelled, absl::StatusCode::kCancelled);
  ExpectEndsWith(*waiting, absl::StatusCode::kOk);
  ExtractRequest large = Extraction();
  large.layers = {0, 1};
  EXPECT_TRUE(absl::IsInvalidArgument(TrySubmit(held.engine(), large).status()));
}

TEST(EngineEndingTest, TheDestructorEndsAllAndStreamsAndStatesOutliveIt) {
  auto held = std::make_unique<HeldEngine>(OneSlot(), TinyModel());
  const auto extraction = Submit(held->engine(), Extraction());
  held->gate().AllowUpTo(2);
  const Answer extracted = Collect(*extraction);
  const auto running = Submit(held->engine(), Generation(3, kEndless));
  held->gate().AwaitArrival(3);
  const auto queued = Submit(held->engine(), Generation(3, 3));
  held.reset();
  for (const auto& stream : {running, queued}) {
    ExpectEndsWith(*stream, absl::StatusCode::kCancelled);
    stream->Cancel();
    stream->NotifyWhenReady([] {});
  }
  EXPECT_EQ(extracted.hidden->size(), static_cast<size_t>(ExtractionBytes() / 4));
}

}  // namespace
}  // namespace scanserve::runtime
