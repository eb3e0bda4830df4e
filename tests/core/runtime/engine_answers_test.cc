// Several answers to one prompt, and the log probabilities of the prompt itself.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/runtime/engine.h"
#include "tests/core/runtime/chi_squared.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"
#include "tests/core/runtime/same_bits.h"

namespace scanserve::runtime {
namespace {

constexpr const char* kTiny = "tests/golden/checkpoints/odd_vocabulary";

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel(kTiny);
  return model;
}

EngineOptions Options() {
  EngineOptions options;
  options.threads = 2;
  options.step_tokens = 32;
  options.prompt_chunk_tokens = 16;
  options.poison_freed_state = true;
  return options;
}

GenerateRequest Request(int64_t prompt_tokens, int32_t n, uint64_t seed) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  GenerateRequest request;
  request.prompt = RandomTokens(*TinyModel(), prompt_tokens, random);
  request.n = n;
  request.sampling.max_new_tokens = 20;
  request.sampling.ignore_eos = true;
  request.sampling.seed = seed;
  request.sampling.temperature = 1.5F;
  request.sampling.repetition_penalty = 1.2F;
  request.sampling.frequency_penalty = 0.1F;
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 2;
  return request;
}

// The events of one request, its answers apart.
struct Answers {
  std::map<int32_t, Answer> choices;
  std::shared_ptr<const PromptLogprobs::Values> prompt;
  bool prompt_came_first = true;
  int started = 0;
  Ended ended;

  std::vector<std::string> ChoiceBits() const {
    std::vector<std::string> bits;
    for (const auto& [choice, answer] : choices) bits.push_back(Bits(answer));
    return bits;
  }
};

int32_t ChoiceOf(const Event& event) {
  if (const auto* delta = std::get_if<Delta>(&event)) return delta->choice;
  if (const auto* finished = std::get_if<Finished>(&event)) return finished->choice;
  return -1;
}

Answers CollectAll(RequestStream& stream) {
  Answers answers;
  for (;;) {
    Event event = stream.Wait();
    if (std::holds_alternative<Started>(event)) ++answers.started;
    if (const auto* prompt = std::get_if<PromptLogprobs>(&event)) {
      EXPECT_EQ(answers.prompt, nullptr);
      answers.prompt = prompt->values;
      answers.prompt_came_first = answers.choices.empty();
    } else if (const int32_t choice = ChoiceOf(event); choice >= 0) {
      EXPECT_FALSE(answers.choices[choice].finished.has_value());
      AddEvent(std::move(event), answers.choices[choice]);
    } else if (auto* ended = std::get_if<Ended>(&event)) {
      answers.ended = *ended;
      return answers;
    }
  }
}

Answers AnswersTo(Engine& engine, const GenerateRequest& request) {
  Answers answers = CollectAll(*Submit(engine, request));
  EXPECT_TRUE(answers.ended.status.ok()) << answers.ended.status;
  EXPECT_EQ(answers.started, 1);
  return answers;
}

std::vector<GenerateRequest> RequestsUnderManySettings(int32_t n) {
  std::mt19937 random(21);
  std::vector<GenerateRequest> requests;
  for (int i = 0; i < 6; ++i) {
    GenerateRequest request = Request(i % 3 == 0 ? 1 : 20 + 13 * i, n, static_cast<uint64_t>(i));
    if (i % 2 == 1) request.basics.scan.order = RandomOrder(50, random);
    if (i == 3) request.basics.scan.target_layers = {0, 2};
    if (i == 5) request.basics.scan.readout = order::Readout::kPinLast;
    if (i == 4) {
      request.basics.adapter = LoadAdapter(kTiny, "all_modules", TinyModel()->config);
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST(EngineAnswersTest, EachChoiceIsToTheBitTheSameHoweverManyThereAre) {
  const auto engine = Engine::Create(Options(), TinyModel());
  for (GenerateRequest& request : RequestsUnderManySettings(8)) {
    const std::vector<std::string> eight = AnswersTo(*engine, request).ChoiceBits();
    ASSERT_EQ(eight.size(), 8U);
    for (const int32_t n : {1, 3}) {
      request.n = n;
      const std::vector<std::string> some = AnswersTo(*engine, request).ChoiceBits();
      ASSERT_EQ(some.size(), static_cast<size_t>(n));
      for (size_t i = 0; i < some.size(); ++i) EXPECT_EQ(some[i], eight[i]) << i << " of " << n;
    }
    EXPECT_NE(eight[0], eight[1]);
    EXPECT_NE(eight[1], eight[2]);
  }
}

TEST(EngineAnswersTest, EachChoiceIsToTheBitTheSameInAnyCompany) {
  const std::vector<GenerateRequest> requests = RequestsUnderManySettings(4);
  std::vector<std::vector<std::string>> alone;
  const auto engine = Engine::Create(Options(), TinyModel());
  for (const GenerateRequest& request : requests) {
    alone.push_back(AnswersTo(*engine, request).ChoiceBits());
  }
  std::vector<std::shared_ptr<RequestStream>> streams;
  for (const GenerateRequest& request : requests) streams.push_back(Submit(*engine, request));
  for (size_t i = 0; i < streams.size(); ++i) {
    EXPECT_EQ(CollectAll(*streams[i]).ChoiceBits(), alone[i]) << i;
  }
  EXPECT_EQ(engine->stats().slots_used, 0);
}

TEST(EngineAnswersTest, ChoicesOfAGreedyRequestAreEqual) {
  const auto engine = Engine::Create(Options(), TinyModel());
  GenerateRequest request = Request(20, 3, 1);
  request.sampling.temperature = 0;
  const std::vector<std::string> bits = AnswersTo(*engine, request).ChoiceBits();
  ASSERT_EQ(bits.size(), 3U);
  EXPECT_EQ(bits[1], bits[0]);
  EXPECT_EQ(bits[2], bits[0]);
}

TEST(EngineAnswersTest, EachChoiceEndsForItsOwnReason) {
  const auto engine = Engine::Create(Options(), TinyModel());
  GenerateRequest request = Request(20, 8, 2);
  const Answers whole = AnswersTo(*engine, request);
  // A token that stands early in one answer and not at all in another.
  const int32_t stop = whole.choices.at(3).tokens[4];
  request.sampling.stop_token_ids = {stop};
  const Answers stopped = AnswersTo(*engine, request);
  int by_stop = 0;
  for (const auto& [choice, answer] : stopped.choices) {
    const std::vector<int32_t>& all = whole.choices.at(choice).tokens;
    const auto found = std::find(all.begin(), all.end(), stop);
    EXPECT_EQ(answer.tokens, std::vector<int32_t>(all.begin(), found)) << choice;
    const bool has_stop = found != all.end();
    EXPECT_EQ(answer.finished->reason, has_stop ? FinishReason::kStopToken : FinishReason::kLength);
    EXPECT_EQ(answer.finished->generated_tokens, found - all.begin() + (has_stop ? 1 : 0));
    by_stop += has_stop ? 1 : 0;
  }
  EXPECT_GE(by_stop, 1);
  EXPECT_LT(by_stop, 8);
}

TEST(EngineAnswersTest, RefusesMoreChoicesThanSlotsByName) {
  EngineOptions options = Options();
  options.state_slots = 3;
  const auto engine = Engine::Create(options, TinyModel());
  EXPECT_EQ(AnswersTo(*engine, Request(5, 3, 1)).choices.size(), 3U);
  const auto refused = engine->Generate(Request(5, 4, 1));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.status().message(), "n 4: at most 3 sequences run at once here");
}

TEST(EngineAnswersTest, CancellingEndsAllChoicesWhereverTheyAre) {
  for (const int64_t step : {1, 3, 6}) {
    HeldEngine held(Options(), TinyModel());
    GenerateRequest request = Request(40, 4, 3);
    request.sampling.max_new_tokens = 50;
    const auto stream = Submit(held.engine(), request);
    held.gate().AllowUpTo(step - 1);
    held.gate().AwaitArrival(step);
    stream->Cancel();
    held.gate().Open();
    EXPECT_EQ(CollectAll(*stream).ended.status.code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(held.engine().stats().slots_used, 0);
  }
}

ScoreRequest ScoringOf(const GenerateRequest& request) {
  ScoreRequest score;
  score.basics = request.basics;
  score.tokens = request.prompt;
  score.per_token = true;
  return score;
}

TEST(PromptLogprobsTest, AreToTheBitThoseOfScoringTheSamePrompt) {
  const auto engine = Engine::Create(Options(), TinyModel());
  for (GenerateRequest& request : RequestsUnderManySettings(2)) {
    const std::vector<std::string> unasked = AnswersTo(*engine, request).ChoiceBits();
    request.prompt_logprobs = true;
    const Answers answers = AnswersTo(*engine, request);
    EXPECT_EQ(answers.ChoiceBits(), unasked);
    EXPECT_TRUE(answers.prompt_came_first);
    const Answer scored = Collect(*Submit(*engine, ScoringOf(request)));
    ASSERT_NE(answers.prompt, nullptr);
    ASSERT_EQ(answers.prompt->logprobs.size(), request.prompt.size() - 1);
    ASSERT_EQ(scored.targets.size(), request.prompt.size() - 1);
    for (size_t i = 0; i < scored.targets.size(); ++i) {
      EXPECT_EQ(answers.prompt->logprobs[i], -scored.targets[i].nll) << i;
      const order::TargetClass target_class = answers.prompt->classes.empty()
                                                  ? order::TargetClass::kCausal
                                                  : answers.prompt->classes[i];
      EXPECT_EQ(target_class, scored.targets[i].target_class) << i;
    }
  }
}

TEST(PromptLogprobsTest, ComeWithoutAnAnswerWhenNoTokenIsWanted) {
  const auto engine = Engine::Create(Options(), TinyModel());
  for (GenerateRequest& request : RequestsUnderManySettings(1)) {
    request.prompt_logprobs = true;
    const auto whole = AnswersTo(*engine, request).prompt;
    request.sampling.max_new_tokens = 0;
    const Answers answers = AnswersTo(*engine, request);
    ASSERT_NE(answers.prompt, nullptr);
    EXPECT_TRUE(SameBits(answers.prompt->logprobs, whole->logprobs));
    EXPECT_EQ(answers.prompt->top, whole->top);
    const Answer& answer = answers.choices.at(0);
    EXPECT_TRUE(answer.tokens.empty());
    EXPECT_EQ(answer.finished->reason, FinishReason::kLength);
    EXPECT_EQ(answer.finished->generated_tokens, 0);
  }
}

TEST(PromptLogprobsTest, AreHeldBackFromTheNextRequestUntilTheReaderLetsThemGo) {
  GenerateRequest request = Request(30, 1, 4);
  request.prompt_logprobs = true;
  request.sampling.max_new_tokens = 1;
  EngineOptions options = Options();
  options.max_extraction_bytes = 29 * (5 + 2 * 8);
  const auto engine = Engine::Create(options, TinyModel());
  Answers first = AnswersTo(*engine, request);
  const auto second = Submit(*engine, request);
  // It waits; one that collects nothing passes by.
  AnswersTo(*engine, Request(30, 1, 5));
  EXPECT_FALSE(second->Next().has_value());
  first.prompt.reset();
  EXPECT_NE(CollectAll(*second).prompt, nullptr);
  request.prompt.push_back(1);
  EXPECT_EQ(engine->Generate(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SampledFrequenciesTest, FollowTheModelsDistributionThroughTheEngine) {
  const auto engine = Engine::Create(Options(), TinyModel());
  const auto vocabulary = static_cast<size_t>(TinyModel()->config.vocab_size);
  GenerateRequest request = Request(12, 8, 0);
  request.sampling = SamplingParameters();
  request.sampling.max_new_tokens = 1;
  request.sampling.ignore_eos = true;
  std::vector<int64_t> counts(vocabulary, 0);
  std::vector<double> probabilities(vocabulary, 0);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    request.sampling.seed = seed;
    request.sampling.logprobs = seed == 0;
    request.sampling.top_logprobs = seed == 0 ? static_cast<int32_t>(vocabulary) : 0;
    for (const auto& [choice, answer] : AnswersTo(*engine, request).choices) {
      ++counts[static_cast<size_t>(answer.tokens.at(0))];
      if (seed > 0 || choice > 0) continue;
      for (const auto& [token, logprob] : answer.logprobs.at(0).top) {
        probabilities[static_cast<size_t>(token)] = std::exp(double{logprob});
      }
    }
  }
  // Ids without a token are never chosen: what is left sums up to less than 1.
  double total = 0;
  for (size_t id = 0; id < vocabulary; ++id) {
    if (!TinyModel()->tokenizer->HasToken(static_cast<int32_t>(id))) probabilities[id] = 0;
    total += probabilities[id];
  }
  for (double& probability : probabilities) probability /= total;
  ExpectCountsFollow(counts, probabilities);
}

}  // namespace
}  // namespace scanserve::runtime
