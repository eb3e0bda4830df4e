// Sessions: a resumed conversation equals a straight one to the bit, however its parts ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/runtime/session.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"
#include "tests/core/runtime/same_bits.h"

namespace scanserve::runtime {
namespace {

using testing::HasSubstr;

constexpr const char* kTiny = "tests/golden/checkpoints/odd_vocabulary";

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel(kTiny);
  return model;
}

// One slot, so that each request gets a state that others have used, filled with NaN between them.
std::unique_ptr<Engine> MakeEngine(
    const std::shared_ptr<const model::LanguageModel>& model = TinyModel()) {
  EngineOptions options;
  options.threads = 2;
  options.state_slots = 1;
  options.step_tokens = 16;
  options.poison_freed_state = true;
  return Engine::Create(options, model);
}

GenerateRequest Greedy(const std::vector<int32_t>& prompt, int32_t new_tokens) {
  GenerateRequest request;
  request.prompt = prompt;
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.temperature = 0;
  request.sampling.ignore_eos = true;
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 3;
  return request;
}

// The session as another server gets it.
std::shared_ptr<const Session> Moved(const Session& session, const model::MambaConfig& config) {
  auto moved = DecodeSession(EncodeSession(session), config);
  EXPECT_TRUE(moved.ok()) << moved.status();
  return std::make_shared<const Session>(*std::move(moved));
}

Answer FirstPart(Engine& engine, GenerateRequest request) {
  request.return_session = true;
  Answer answer = Collect(*Submit(engine, std::move(request)));
  EXPECT_TRUE(answer.ended.status.ok()) << answer.ended.status;
  EXPECT_NE(answer.session, nullptr);
  return answer;
}

std::vector<int32_t> Joined(std::initializer_list<std::vector<int32_t>> parts) {
  std::vector<int32_t> joined;
  for (const auto& part : parts) joined.insert(joined.end(), part.begin(), part.end());
  return joined;
}

const std::vector<int32_t> kFollowUp = {61, 62, 60, 63, 61};

// Goes on with kFollowUp from the session of `first`, whose prompt was read in natural order, and
// expects what one request over all the tokens gives.
void ExpectGoesOnAsStraight(Engine& engine, const std::vector<int32_t>& prompt,
                            const Answer& first) {
  const std::vector<int32_t> history = Joined({prompt, first.tokens});
  EXPECT_EQ(first.session->tokens_read + static_cast<int64_t>(first.session->pending.size()),
            static_cast<int64_t>(history.size()));
  GenerateRequest resumed = Greedy(kFollowUp, 12);
  resumed.session = Moved(*first.session, TinyModel()->config);
  const Answer second = Collect(*Submit(engine, resumed));
  const Answer straight = Collect(*Submit(engine, Greedy(Joined({history, kFollowUp}), 12)));
  ASSERT_EQ(second.tokens.size(), 12U);
  EXPECT_EQ(Bits(second), Bits(straight));
}

TEST(EngineSessionTest, GoesOnAsAStraightConversationHoweverTheFirstPartEnded) {
  const auto engine = MakeEngine();
  const std::vector<int32_t> prompt = {40, 41, 42};
  const Answer whole = Collect(*Submit(*engine, Greedy(prompt, 20)));
  ASSERT_EQ(whole.text.size(), 20U) << "one character a token";
  const auto ended_by = [&](FinishReason reason, const auto& change) {
    SCOPED_TRACE(static_cast<int>(reason));
    GenerateRequest request = Greedy(prompt, 20);
    change(request.sampling);
    const Answer first = FirstPart(*engine, request);
    EXPECT_EQ(first.finished->reason, reason);
    EXPECT_EQ(first.session->pending.empty(), reason != FinishReason::kLength);
    ExpectGoesOnAsStraight(*engine, prompt, first);
    return first.tokens.size();
  };
  EXPECT_EQ(ended_by(FinishReason::kLength, [](SamplingParameters&) {}), 20U);
  EXPECT_EQ(ended_by(FinishReason::kLength,
                     [](SamplingParameters& sampling) { sampling.max_new_tokens = 1; }),
            1U);
  ended_by(FinishReason::kStopToken,
           [&](SamplingParameters& sampling) { sampling.stop_token_ids = {whole.tokens[10]}; });
  EXPECT_EQ(
      ended_by(FinishReason::kStopToken,
               [&](SamplingParameters& sampling) { sampling.stop_token_ids = {whole.tokens[0]}; }),
      0U);
  ended_by(FinishReason::kEndOfText, [&](SamplingParameters& sampling) {
    sampling.ignore_eos = false;
    sampling.eos_token_ids = {whole.tokens[12]};
  });
}

TEST(EngineSessionTest, ForgetsTheTokensOfAStopStringThatSpansSeveral) {
  const auto engine = MakeEngine();
  const std::vector<int32_t> prompt = {40, 41, 42};
  const Answer whole = Collect(*Submit(*engine, Greedy(prompt, 20)));
  for (size_t begin = 0; begin < 8; ++begin) {
    for (const size_t length : {1, 2, 5}) {
      GenerateRequest request = Greedy(prompt, 20);
      request.sampling.stop_strings = {whole.text.substr(begin, length), "not in the answer"};
      const Answer first = FirstPart(*engine, request);
      ASSERT_EQ(first.finished->reason, FinishReason::kStopString);
      ASSERT_EQ(first.tokens.size(), whole.text.find(request.sampling.stop_strings[0]));
      ExpectGoesOnAsStraight(*engine, prompt, first);
    }
  }
}

TEST(EngineSessionTest, KeepsTheTokensThatTheEndReleasesAfterAllHeldBackForAStopString) {
  const auto engine = MakeEngine();
  const std::vector<int32_t> prompt = {40, 41, 42};
  const Answer whole = Collect(*Submit(*engine, Greedy(prompt, 9)));
  for (const size_t held : {1, 2, 9}) {
    GenerateRequest request = Greedy(prompt, 9);
    request.sampling.stop_strings = {whole.text.substr(9 - held) + "never"};
    const Answer first = FirstPart(*engine, request);
    ASSERT_EQ(first.finished->reason, FinishReason::kLength);
    ASSERT_EQ(first.tokens, whole.tokens);
    ExpectGoesOnAsStraight(*engine, prompt, first);
    request.sampling.stop_token_ids = {whole.tokens[8]};
    ExpectGoesOnAsStraight(*engine, prompt, FirstPart(*engine, request));
  }
}

TEST(EngineSessionTest, StandsWhereTheReturnedTokensEndThoughHeldOnesWereReleasedOneByOne) {
  const auto engine = MakeEngine();
  const std::vector<int32_t> prompt = {40, 41, 42};
  const Answer whole = Collect(*Submit(*engine, Greedy(prompt, 2)));
  // Answers of two tokens by chance: while one repeats, a stop string of two of them and the other
  // holds back two, and releases the first when a third comes.
  const int32_t a = whole.tokens[0];
  const int32_t b = a == 50 ? 51 : 50;
  const std::string text_a = TinyModel()->tokenizer->Decode({a}, true);
  const std::string text_b = TinyModel()->tokenizer->Decode({b}, true);
  int with_pending = 0;
  int without = 0;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    GenerateRequest request = Greedy(prompt, 30);
    request.sampling.seed = seed;
    request.sampling.logit_bias = {{a, 1000.0F}, {b, 1000.0F}};
    request.sampling.temperature = 100;
    request.sampling.stop_strings = {text_a + text_a + text_b};
    const Answer first = FirstPart(*engine, request);
    if (first.finished->reason == FinishReason::kStopString) {
      ++(first.session->pending.empty() ? without : with_pending);
    }
    ExpectGoesOnAsStraight(*engine, prompt, first);
  }
  EXPECT_GT(with_pending, 0);
  EXPECT_GT(without, 0);
}

TEST(EngineSessionTest, GoesOnInNaturalOrderFromWhateverSettingReadTheFirstPrompt) {
  const auto engine = MakeEngine();
  std::mt19937 random(7);
  constexpr const char* kAdapters[] = {"", "all_modules", "dt_proj_only"};
  for (int index = 0; index < 12; ++index) {
    SCOPED_TRACE(index);
    const std::vector<int32_t> prompt = RandomTokens(*TinyModel(), 30 + 7 * index, random);
    GenerateRequest request = Greedy(prompt, 6);
    request.basics.adapter = LoadAdapter(kTiny, kAdapters[index % 3], TinyModel()->config);
    request.basics.scan.order = RandomOrder(60, random);
    if (index % 4 >= 2) request.basics.scan.target_layers = {0, 2};
    if (index % 2 == 1) request.basics.scan.readout = order::Readout::kPinLast;
    const Answer first = FirstPart(*engine, request);
    GenerateRequest resumed = Greedy(kFollowUp, 8);
    resumed.basics.adapter = request.basics.adapter;
    resumed.session = Moved(*first.session, TinyModel()->config);
    const Answer second = Collect(*Submit(*engine, resumed));
    ASSERT_EQ(second.logprobs.size(), 8U);
    // The straight way: the prompt under the setting, and then everything naturally.
    ScoreRequest straight;
    straight.basics = request.basics;
    straight.tokens = Joined({prompt, first.tokens, kFollowUp, second.tokens});
    straight.mode = PerplexityMode::kContinuation;
    straight.prefix_tokens = static_cast<int64_t>(prompt.size());
    straight.per_token = true;
    const Answer scored = Collect(*Submit(*engine, straight));
    ASSERT_EQ(scored.targets.size(), straight.tokens.size() - prompt.size());
    for (size_t i = 0; i < 8; ++i) {
      const auto& target = scored.targets[scored.targets.size() - 8 + i];
      EXPECT_EQ(-second.logprobs[i].logprob, target.nll) << i;
    }
  }
}

TEST(EngineSessionTest, TwoPartsWithoutANewPromptAreOneLongAnswer) {
  const auto engine = MakeEngine();
  GenerateRequest request = Greedy({40, 41, 42, 40}, 30);
  request.sampling.temperature = 1.3F;
  request.sampling.top_p = 0.9F;
  request.sampling.seed = 11;
  request.sampling.repetition_penalty = 1.3F;
  request.sampling.presence_penalty = 0.4F;
  request.sampling.frequency_penalty = 0.3F;
  const Answer whole = Collect(*Submit(*engine, request));
  std::vector<int32_t> tokens;
  std::vector<TokenLogprob> logprobs;
  std::shared_ptr<const Session> session;
  for (const int32_t part : {7, 1, 22}) {
    GenerateRequest next = request;
    next.sampling.max_new_tokens = part;
    if (session != nullptr) {
      EXPECT_EQ(session->seed, 11U);
      EXPECT_EQ(session->next_draw, tokens.size());
      next.prompt.clear();
      next.session = session;
      next.sampling.first_draw = session->next_draw;
    }
    const Answer answer = FirstPart(*engine, next);
    tokens.insert(tokens.end(), answer.tokens.begin(), answer.tokens.end());
    logprobs.insert(logprobs.end(), answer.logprobs.begin(), answer.logprobs.end());
    session = Moved(*answer.session, TinyModel()->config);
    EXPECT_EQ(session->tokens_read + static_cast<int64_t>(session->pending.size()),
              static_cast<int64_t>(request.prompt.size() + tokens.size()));
  }
  EXPECT_EQ(tokens, whole.tokens);
  ASSERT_EQ(logprobs.size(), whole.logprobs.size());
  for (size_t i = 0; i < logprobs.size(); ++i) {
    EXPECT_EQ(logprobs[i].logprob, whole.logprobs[i].logprob) << i;
  }
  EXPECT_EQ(session->prompt_counts, (TokenCounts{{40, 2}, {41, 1}, {42, 1}}));
  const int64_t counted =
      std::accumulate(session->answer_counts.begin(), session->answer_counts.end(), int64_t{0},
                      [](int64_t sum, const auto& entry) { return sum + entry.second; });
  EXPECT_EQ(counted, 30);
}

TEST(EngineSessionTest, TheSameSessionCanBeResumedTwiceInAnyCompany) {
  EngineOptions options;
  options.threads = 2;
  options.state_slots = 8;
  options.poison_freed_state = true;
  const auto engine = Engine::Create(options, TinyModel());
  const Answer first = FirstPart(*engine, Greedy({40, 41, 42}, 10));
  GenerateRequest resumed = Greedy(kFollowUp, 20);
  resumed.session = first.session;
  const std::string alone = Bits(Collect(*Submit(*engine, resumed)));
  std::vector<std::shared_ptr<RequestStream>> streams;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(Submit(*engine, resumed));
    streams.push_back(Submit(*engine, Greedy({50, 51}, 15)));
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    const std::string bits = Bits(Collect(*streams[i]));
    if (i % 2 == 0) {
      EXPECT_EQ(bits, alone);
    }
  }
}

TEST(EngineSessionTest, WhatASessionReadsIsNoPrefixOfAFreshPrompt) {
  EngineOptions options;
  options.prefix_block_tokens = 1;
  const auto caching = Engine::Create(options, TinyModel());
  options.prefix_cache_bytes = 0;
  const auto cold = Engine::Create(options, TinyModel());
  GenerateRequest resumed = Greedy(kFollowUp, 6);
  resumed.session = FirstPart(*caching, Greedy({40, 41, 42}, 4)).session;
  const std::vector<int32_t> read = Joined({resumed.session->pending, kFollowUp});
  const Answer second = Collect(*Submit(*caching, resumed));
  // Neither the tokens that were read from the session on, nor the answer after them.
  for (const std::vector<int32_t>& prompt :
       {read, kFollowUp, Joined({read, second.tokens}), Joined({kFollowUp, second.tokens})}) {
    EXPECT_EQ(Bits(Collect(*Submit(*caching, Greedy(prompt, 6)))),
              Bits(Collect(*Submit(*cold, Greedy(prompt, 6)))));
  }
  // And a fresh prompt's state is not taken for a session's.
  EXPECT_EQ(Bits(Collect(*Submit(*caching, resumed))), Bits(second));
}

TEST(EngineSessionTest, RoomForSessionsComesBackWhenTheLastOwnerLetsThemGo) {
  EngineOptions options;
  options.max_extraction_bytes = 3 * model::SequenceStateBytes(TinyModel()->config);
  const auto engine = Engine::Create(options, TinyModel());
  GenerateRequest request = Greedy({40, 41, 42}, 3);
  request.return_session = true;
  Answer first = Collect(*Submit(*engine, request));
  const auto waiting = Submit(*engine, request);
  // What asks for no session goes by.
  EXPECT_TRUE(Collect(*Submit(*engine, Greedy({40}, 2))).ended.status.ok());
  EXPECT_FALSE(waiting->Next().has_value());
  first.session = nullptr;
  EXPECT_TRUE(Collect(*waiting).ended.status.ok());
  // One that is cancelled before it ends gives its room back too.
  request.sampling.max_new_tokens = 4000;
  const auto cancelled = Submit(*engine, request);
  EXPECT_TRUE(std::holds_alternative<Started>(cancelled->Wait()));
  cancelled->Cancel();
  request.sampling.max_new_tokens = 3;
  EXPECT_TRUE(Collect(*Submit(*engine, request)).ended.status.ok());
}

TEST(EngineSessionTest, RefusesWhatNoSessionCanDo) {
  EngineOptions options;
  options.max_extraction_bytes = 2 * model::SequenceStateBytes(TinyModel()->config) - 1;
  const auto narrow = Engine::Create(options, TinyModel());
  const auto engine = MakeEngine();
  const auto refusal = [](Engine& asked, const GenerateRequest& request) {
    const absl::Status status = TrySubmit(asked, request).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  GenerateRequest request = Greedy({40}, 3);
  request.return_session = true;
  EXPECT_THAT(refusal(*narrow, request), HasSubstr("return_session: the session takes"));
  request.n = 2;
  EXPECT_EQ(refusal(*engine, request), "n: 2, a session has one answer");
  request.n = 1;
  request.sampling.eos_token_ids = {};
  const Answer whole = Collect(*Submit(*engine, request));
  request.session = whole.session;
  request.basics.scan.order = *order::ScanOrder::FromEntries({1, 0});
  EXPECT_EQ(refusal(*engine, request), "scan: a session goes on in natural order");
  request.basics.scan.order = nullptr;
  request.prompt = {static_cast<int32_t>(TinyModel()->config.vocab_size)};
  EXPECT_THAT(refusal(*engine, request), HasSubstr("prompt: token"));
  request.session = nullptr;
  request.prompt = {40};
  request.sampling.stop_token_ids = {whole.tokens[1]};
  const Answer stopped = Collect(*Submit(*engine, request));
  ASSERT_TRUE(stopped.session->pending.empty());
  request.session = stopped.session;
  request.prompt.clear();
  EXPECT_EQ(refusal(*engine, request), "prompt: no tokens, and the session has none left to read");
  const auto embedded = MakeEngine(EmbeddedModel());
  request.prompt = {40};
  EXPECT_THAT(refusal(*embedded, request), HasSubstr("session: a state of"));
}

}  // namespace
}  // namespace scanserve::runtime
