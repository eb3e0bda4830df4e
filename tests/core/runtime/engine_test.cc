// What the engine answers: to the bit what each request gets alone, and as soon as it is there.
#include "core/runtime/engine.h"

#include <gtest/gtest.h>

#include <thread>

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

// A recycled slot never shows its past.
EngineOptions Poisoned() {
  EngineOptions options;
  options.poison_freed_state = true;
  return options;
}

// Every combination of adapter and scan comes by.
RequestBasics BasicsOf(int index, std::mt19937& random) {
  constexpr const char* kAdapters[] = {"", "all_modules", "dt_proj_only"};
  RequestBasics basics;
  basics.adapter = LoadAdapter(kTiny, kAdapters[index % 3], TinyModel()->config);
  if (index % 4 != 0) basics.scan.order = RandomOrder(40, random);
  if (index % 4 == 2) basics.scan.target_layers = {0, 2};
  if (index % 4 == 3) basics.scan.readout = order::Readout::kPinLast;
  return basics;
}

GenerateRequest Generation(const std::vector<int32_t>& prompt, int32_t new_tokens) {
  GenerateRequest request;
  request.prompt = prompt;
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  return request;
}

AnyRequest GenerationOf(int index, std::mt19937& random) {
  constexpr int64_t kLengths[] = {1, 3, 20, 65, 150};
  GenerateRequest request = Generation(RandomTokens(*TinyModel(), kLengths[index % 5], random), 14);
  request.basics = BasicsOf(index, random);
  request.sampling.temperature = index % 2 == 0 ? 0.0F : 1.2F;
  request.sampling.top_p = 0.95F;
  request.sampling.repetition_penalty = 1.1F;
  request.sampling.seed = static_cast<uint64_t>(index);
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 3;
  if (index % 3 == 0) request.sampling.stop_strings = {"ab", "e", "Q"};
  return request;
}

AnyRequest ScoringOf(int index, std::mt19937& random) {
  ScoreRequest request;
  request.tokens = RandomTokens(*TinyModel(), 30 + 17 * index, random);
  request.basics = BasicsOf(index, random);
  request.mode = static_cast<PerplexityMode>(index % 3);
  request.prefix_tokens = 9;
  request.window_tokens = 25;
  request.stride_tokens = 10;
  request.per_token = true;
  if (request.mode == PerplexityMode::kSliding) request.basics.scan = AppliedScan();
  return request;
}

AnyRequest ExtractionOf(int index, std::mt19937& random) {
  ExtractRequest request;
  request.tokens = RandomTokens(*TinyModel(), 10 + 40 * (index % 3), random);
  request.basics = BasicsOf(index, random);
  request.kind = static_cast<HiddenStateKind>(index % 3);
  if (request.kind != HiddenStateKind::kFinalNorm) request.layers = {0, 2};
  request.begin_position = 2;
  request.end_position = static_cast<int64_t>(request.tokens.size()) - 1;
  return request;
}

std::vector<AnyRequest> MixedRequests() {
  std::mt19937 random(10);
  std::vector<AnyRequest> requests;
  for (int i = 0; i < 12; ++i) requests.push_back(GenerationOf(i, random));
  for (int i = 0; i < 9; ++i) requests.push_back(ScoringOf(i, random));
  for (int i = 0; i < 9; ++i) requests.push_back(ExtractionOf(i, random));
  std::shuffle(requests.begin(), requests.end(), random);
  return requests;
}

std::string AnswerBits(Engine& engine, const AnyRequest& request) {
  const Answer answer = Collect(*Submit(engine, request));
  EXPECT_TRUE(answer.ended.status.ok()) << answer.ended.status;
  return Bits(answer);
}

std::vector<std::string> AnswersAlone(const std::vector<AnyRequest>& requests) {
  EngineOptions options = Poisoned();
  options.threads = 1;
  options.prefix_cache_bytes = 0;
  const auto engine = Engine::Create(options, TinyModel());
  std::vector<std::string> answers;
  for (const AnyRequest& request : requests) answers.push_back(AnswerBits(*engine, request));
  return answers;
}

// Every client asks for all, beginning at another one.
void ExpectClientsGet(Engine& engine, const std::vector<AnyRequest>& requests,
                      const std::vector<std::string>& expected) {
  constexpr size_t kClients = 4;
  std::vector<std::vector<std::string>> answers(kClients);
  std::vector<std::thread> clients;
  for (size_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      for (size_t i = 0; i < requests.size(); ++i) {
        const size_t at = (i + client * requests.size() / kClients) % requests.size();
        answers[client].push_back(AnswerBits(engine, requests[at]));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (size_t client = 0; client < kClients; ++client) {
    for (size_t i = 0; i < requests.size(); ++i) {
      const size_t at = (i + client * requests.size() / kClients) % requests.size();
      ASSERT_FALSE(expected[at].empty());
      ASSERT_TRUE(answers[client][i] == expected[at]) << "client " << client << " request " << at;
    }
  }
}

TEST(EngineTest, SeveralClientsAtOnceGetToTheBitWhatEachGetsAlone) {
  const std::vector<AnyRequest> requests = MixedRequests();
  const std::vector<std::string> alone = AnswersAlone(requests);
  EngineOptions options = Poisoned();
  options.threads = 2;
  options.state_slots = 3;
  options.step_tokens = 40;
  options.prompt_chunk_tokens = 7;
  options.stream_events = 2;
  options.prefix_block_tokens = 8;
  const auto engine = Engine::Create(options, TinyModel());
  ExpectClientsGet(*engine, requests, alone);
  EXPECT_EQ(engine->stats().slots_used, 0);
}

TEST(EngineTest, SubmittedTogetherTheyGetTheSameToo) {
  const std::vector<AnyRequest> requests = MixedRequests();
  const std::vector<std::string> alone = AnswersAlone(requests);
  EngineOptions options = Poisoned();
  options.threads = 1;
  options.step_tokens = 64;
  options.prompt_chunk_tokens = 1;
  HeldEngine held(options, TinyModel());
  std::vector<std::shared_ptr<RequestStream>> streams;
  for (const AnyRequest& request : requests) streams.push_back(Submit(held.engine(), request));
  held.gate().Open();
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_TRUE(Bits(Collect(*streams[i])) == alone[i]) << "request " << i;
  }
}

TEST(EngineTest, TheFirstDeltaArrivesBeforeTheLastTokenIsComputed) {
  HeldEngine held(Poisoned(), TinyModel());
  const auto stream = Submit(held.engine(), Generation({40, 41, 42}, 3));
  held.gate().AllowUpTo(1);
  EXPECT_TRUE(std::holds_alternative<Started>(stream->Wait()));
  const Event event = stream->Wait();
  const auto* delta = std::get_if<Delta>(&event);
  ASSERT_NE(delta, nullptr);
  EXPECT_EQ(delta->tokens.size(), 1U);
  EXPECT_FALSE(delta->text.empty());
  // The second token is not computed yet.
  held.gate().AwaitArrival(2);
  EXPECT_FALSE(stream->Next().has_value());
  held.gate().Open();
  EXPECT_EQ(Collect(*stream).tokens.size(), 2U);
}

TEST(EngineTest, DeltasJoinedAreTheTextOfTheTokens) {
  const auto model = EmbeddedModel();
  EngineOptions options = Poisoned();
  options.threads = 2;
  const auto engine = Engine::Create(options, model);
  bool cut_character = false;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    GenerateRequest request = Generation({100, 200}, 60);
    // Hot enough for bytes that make no character.
    request.sampling.temperature = 4;
    request.sampling.seed = seed;
    request.sampling.logprobs = true;
    const Answer answer = Collect(*Submit(*engine, request));
    EXPECT_EQ(answer.tokens.size(), 60U);
    EXPECT_EQ(answer.logprobs.size(), 60U);
    EXPECT_EQ(answer.text, model->tokenizer->Decode(answer.tokens, /*skip_special_tokens=*/true));
    cut_character |= answer.text.find("\xEF\xBF\xBD") != std::string::npos;
    EXPECT_EQ(answer.finished->reason, FinishReason::kLength);
    EXPECT_EQ(answer.finished->generated_tokens, 60);
  }
  EXPECT_TRUE(cut_character);
}

TEST(EngineTest, EndsWithTheTokenOrTextThatWasAskedFor) {
  const auto engine = Engine::Create(Poisoned(), TinyModel());
  GenerateRequest request = Generation({40, 41, 42}, 20);
  request.sampling.temperature = 0;
  const Answer whole = Collect(*Submit(*engine, request));
  ASSERT_EQ(whole.tokens.size(), 20U);
  ASSERT_EQ(whole.text.size(), 20U) << "one character a token";

  const auto first_of = [&](int32_t token) {
    return std::find(whole.tokens.begin(), whole.tokens.end(), token) - whole.tokens.begin();
  };
  const auto place = static_cast<size_t>(first_of(whole.tokens[10]));
  request.sampling.stop_token_ids = {whole.tokens[place]};
  const Answer at_token = Collect(*Submit(*engine, request));
  EXPECT_EQ(at_token.finished->reason, FinishReason::kStopToken);
  EXPECT_EQ(at_token.finished->stop_token, whole.tokens[place]);
  EXPECT_EQ(at_token.text, whole.text.substr(0, place));
  EXPECT_EQ(at_token.finished->generated_tokens, static_cast<int64_t>(place) + 1);

  request.sampling.stop_token_ids.clear();
  request.sampling.eos_token_ids = {whole.tokens[place]};
  EXPECT_EQ(Collect(*Submit(*engine, request)).text, whole.text) << "ignore_eos";
  request.sampling.ignore_eos = false;
  EXPECT_EQ(Collect(*Submit(*engine, request)).finished->reason, FinishReason::kEndOfText);

  request.sampling.eos_token_ids.clear();
  request.sampling.stop_strings = {whole.text.substr(5, 4)};
  const size_t found = whole.text.find(request.sampling.stop_strings[0]);
  const Answer at_text = Collect(*Submit(*engine, request));
  EXPECT_EQ(at_text.finished->reason, FinishReason::kStopString);
  EXPECT_EQ(at_text.finished->stop_string, request.sampling.stop_strings[0]);
  EXPECT_EQ(at_text.text, whole.text.substr(0, found));
  EXPECT_EQ(at_text.tokens.size(), found);
  EXPECT_EQ(at_text.finished->generated_tokens, static_cast<int64_t>(found) + 4);
}

TEST(EngineTest, StartedIsTheFirstEventWhateverThereIsToReadOrToSay) {
  const auto engine = Engine::Create(EngineOptions(), TinyModel());
  GenerateRequest nothing_to_score = Generation({40}, 2);
  nothing_to_score.prompt_logprobs = true;
  ScoreRequest nothing_to_read;
  nothing_to_read.tokens = {40};
  nothing_to_read.mode = PerplexityMode::kContinuation;
  nothing_to_read.prefix_tokens = 4;
  const GenerateRequest cached = Generation({40, 41}, 1);
  for (const AnyRequest& request : {AnyRequest(nothing_to_score), AnyRequest(nothing_to_read),
                                    AnyRequest(cached), AnyRequest(cached)}) {
    const auto stream = Submit(*engine, request);
    EXPECT_TRUE(std::holds_alternative<Started>(stream->Wait()));
    EXPECT_TRUE(Collect(*stream).ended.status.ok());
  }
}

TEST(EngineTest, SaysWhyNothingWasScored) {
  const auto engine = Engine::Create(Poisoned(), TinyModel());
  ScoreRequest request;
  request.tokens = {5};
  EXPECT_EQ(Collect(*Submit(*engine, request)).score->unscored_reason,
            "the document has 1 tokens, and the first of a window is never scored");
  request.mode = PerplexityMode::kContinuation;
  request.prefix_tokens = 4;
  const Answer answer = Collect(*Submit(*engine, request));
  EXPECT_TRUE(answer.ended.status.ok());
  EXPECT_EQ(answer.score->unscored_reason, "the document has 1 tokens, the prefix takes 4");
}

// A greedy answer is made of the likeliest tokens, under an order too. Threads share its targets.
TEST(EngineTest, SaysTheLikeliestTokenOfEachTargetWhenAsked) {
  constexpr size_t kPrompt = 12;
  constexpr size_t kAnswer = 90;
  EngineOptions options = Poisoned();
  options.threads = 4;
  // Every id of it may be sampled.
  const auto model = LoadModel("tests/golden/checkpoints/odd_inner");
  const auto engine = Engine::Create(options, model);
  std::mt19937 random(5);
  GenerateRequest generation =
      Generation(RandomTokens(*model, kPrompt, random), static_cast<int32_t>(kAnswer));
  generation.sampling.temperature = 0;
  generation.basics.scan.order = RandomOrder(20, random);
  const Answer answer = Collect(*Submit(*engine, generation));
  ASSERT_EQ(answer.tokens.size(), kAnswer);
  ScoreRequest request;
  request.basics.scan = generation.basics.scan;
  request.tokens = generation.prompt;
  request.tokens.insert(request.tokens.end(), answer.tokens.begin(), answer.tokens.end());
  // One that is not the likeliest: said is what is, whatever the text has.
  request.tokens.back() = (request.tokens.back() + 1) % 40;
  request.mode = PerplexityMode::kContinuation;
  request.prefix_tokens = static_cast<int64_t>(kPrompt);
  request.per_token = true;
  for (int round = 0; round < 60; ++round) {
    const bool asked = round != 1;
    request.likeliest = asked;
    const auto targets = Collect(*Submit(*engine, request)).targets;
    ASSERT_EQ(targets.size(), kAnswer);
    for (size_t i = 0; i < kAnswer; ++i) {
      EXPECT_EQ(targets[i].likeliest, asked ? answer.tokens[i] : -1) << i;
    }
  }
}

}  // namespace
}  // namespace scanserve::runtime
