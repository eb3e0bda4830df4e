// Who gets how much when more is wanted than there is.
#include <gtest/gtest.h>

#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"

namespace scanserve::runtime {
namespace {

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel("tests/golden/checkpoints/odd_vocabulary");
  return model;
}

GenerateRequest Generation(int64_t prompt_tokens, int32_t new_tokens, Priority priority) {
  GenerateRequest request;
  request.prompt.assign(static_cast<size_t>(prompt_tokens), 33);
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  request.basics.priority = priority;
  return request;
}

struct Work {
  int64_t tokens = 0;
  int64_t admitted = 0;
};

// What the requests behind `streams` got until they were cut off.
Work Done(const std::vector<std::shared_ptr<RequestStream>>& streams, int64_t prompt_tokens) {
  Work work;
  for (const auto& stream : streams) {
    const Answer answer = Collect(*stream);
    if (!answer.started) continue;
    ++work.admitted;
    if (!answer.tokens.empty()) work.tokens += prompt_tokens;
    work.tokens += static_cast<int64_t>(answer.tokens.size());
  }
  return work;
}

TEST(EnginePriorityTest, WhenBothLevelsWantEverythingLowGetsItsShareOfTokensAndAdmissions) {
  constexpr int64_t kSteps = 400;
  constexpr int64_t kPrompt = 16;
  EngineOptions options;
  options.threads = 1;
  options.state_slots = 4;
  options.step_tokens = 32;
  HeldEngine held(options, TinyModel());
  std::vector<std::shared_ptr<RequestStream>> normal;
  std::vector<std::shared_ptr<RequestStream>> low;
  for (int i = 0; i < 120; ++i) {
    normal.push_back(Submit(held.engine(), Generation(kPrompt, 12, Priority::kNormal)));
    low.push_back(Submit(held.engine(), Generation(kPrompt, 12, Priority::kLow)));
  }
  held.gate().AllowUpTo(kSteps);
  held.gate().AwaitArrival(kSteps + 1);
  EXPECT_GT(held.engine().stats().queued_low, 0) << "saturated to the end";
  EXPECT_GT(held.engine().stats().queued, held.engine().stats().queued_low);
  held.engine().CancelAll(absl::CancelledError("enough"));
  held.gate().Open();
  const Work of_normal = Done(normal, kPrompt);
  const Work of_low = Done(low, kPrompt);
  const auto part = [](int64_t a, int64_t b) {
    return static_cast<double>(a) / static_cast<double>(a + b);
  };
  EXPECT_NEAR(part(of_low.admitted, of_normal.admitted), 0.2, 0.05);
  EXPECT_GE(part(of_low.tokens, of_normal.tokens), 0.1);
  EXPECT_LE(part(of_low.tokens, of_normal.tokens), 0.3);
}

TEST(EnginePriorityTest, EqualPromptsGetTheirFirstTokenWithinTwiceTheTimeOfEachOther) {
  constexpr int64_t kPrompts = 6;
  constexpr int64_t kPromptTokens = 200;
  EngineOptions options;
  options.threads = 1;
  options.step_tokens = 24;
  options.prompt_chunk_tokens = 24;
  options.state_slots = kPrompts;
  options.prefix_cache_bytes = 0;
  HeldEngine held(options, TinyModel());
  std::vector<std::shared_ptr<RequestStream>> streams;
  for (int64_t i = 0; i < kPrompts; ++i) {
    streams.push_back(Submit(held.engine(), Generation(kPromptTokens, 1, Priority::kNormal)));
  }
  // All of them are read in 50 steps. After more than half of these none is.
  const int64_t half = kPrompts * kPromptTokens / options.step_tokens / 2 + 1;
  held.gate().AllowUpTo(half);
  held.gate().AwaitArrival(half + 1);
  for (const auto& stream : streams) {
    EXPECT_TRUE(std::holds_alternative<Started>(stream->Wait()));
    EXPECT_FALSE(stream->Next().has_value());
  }
  held.gate().Open();
  for (const auto& stream : streams) EXPECT_EQ(Collect(*stream).tokens.size(), 1U);
  EXPECT_LE(held.engine().stats().steps, 2 * half);
}

TEST(EnginePriorityTest, OneCallerLeavesHalfOfTheSlotsToAnother) {
  EngineOptions options;
  options.threads = 1;
  options.state_slots = 4;
  HeldEngine held(options, TinyModel());
  const auto submit = [&](const std::string& caller) {
    GenerateRequest request = Generation(3, 20, Priority::kNormal);
    request.basics.caller = caller;
    return Submit(held.engine(), request);
  };
  std::vector<std::shared_ptr<RequestStream>> streams;
  // The first is admitted alone and waits for its step; the others come meanwhile.
  streams.push_back(submit("many"));
  held.gate().AwaitArrival(1);
  for (int i = 0; i < 20; ++i) streams.push_back(submit("many"));
  for (int i = 0; i < 2; ++i) streams.push_back(submit("few"));
  held.gate().AllowUpTo(1);
  held.gate().AwaitArrival(2);
  const auto has_started = [&](size_t i) { return streams[i]->Next().has_value(); };
  EXPECT_TRUE(has_started(streams.size() - 1));
  EXPECT_TRUE(has_started(streams.size() - 2));
  EXPECT_TRUE(has_started(0));
  EXPECT_TRUE(has_started(1));
  EXPECT_FALSE(has_started(2));
  held.gate().Open();
  for (const auto& stream : streams) Collect(*stream);
}

}  // namespace
}  // namespace scanserve::runtime
