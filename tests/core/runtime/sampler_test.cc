#include "core/runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <thread>

#include "core/runtime/philox.h"
#include "tests/core/runtime/chi_squared.h"

namespace scanserve::runtime {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(PhiloxTest, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, DrawsDifferWithAnyBitOfSeedChoiceAndToken) {
  std::vector<double> draws = {UniformDraw(0, 0, 0)};
  for (int bit = 0; bit < 64; ++bit) {
    draws.push_back(UniformDraw(uint64_t{1} << bit, 0, 0));
    draws.push_back(UniformDraw(0, 0, uint64_t{1} << bit));
    if (bit < 32) draws.push_back(UniformDraw(0, uint32_t{1} << bit, 0));
  }
  std::sort(draws.begin(), draws.end());
  EXPECT_GE(draws.front(), 0);
  EXPECT_LT(draws.back(), 1);
  EXPECT_EQ(std::unique(draws.begin(), draws.end()), draws.end());
}

std::vector<bool> AllSelectable(size_t vocabulary) { return std::vector<bool>(vocabulary, true); }

// The tokens chosen for the same logits again and again.
std::vector<int32_t> Choices(const SamplingParameters& parameters, const std::vector<float>& logits,
                             int count, const std::vector<int32_t>& prompt = {}) {
  const std::vector<bool> selectable = AllSelectable(logits.size());
  Sampler sampler(parameters, selectable, prompt);
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(sampler.Next(logits).token);
  EXPECT_EQ(sampler.tokens_chosen(), count);
  return tokens;
}

SamplingParameters Greedy() {
  SamplingParameters parameters;
  parameters.temperature = 0;
  return parameters;
}

TEST(SamplerTest, GreedyTakesTheLargestLogitAndTheSmallerIdOfTwo) {
  EXPECT_EQ(Choices(Greedy(), {1, 3, 2, 3, -1}, 1), std::vector<int32_t>{1});
  EXPECT_EQ(Choices(Greedy(), {-3, -3, -3}, 1), std::vector<int32_t>{0});
  EXPECT_EQ(Choices(Greedy(), {-3, 0, 0.5F}, 1), std::vector<int32_t>{2});
}

// Probabilities by the definitions, one rule after the other; 0 for what is cut away.
std::vector<double> ReferenceProbabilities(const SamplingParameters& parameters,
                                           const std::vector<float>& logits) {
  std::vector<size_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  if (parameters.top_k > 0) ids.resize(std::min<size_t>(ids.size(), parameters.top_k));
  std::vector<double> probabilities(logits.size(), 0);
  const auto normalize = [&] {
    double total = 0;
    for (const size_t id : ids) total += std::exp(double{logits[id]} / parameters.temperature);
    std::fill(probabilities.begin(), probabilities.end(), 0);
    for (const size_t id : ids) {
      probabilities[id] = std::exp(double{logits[id]} / parameters.temperature) / total;
    }
  };
  normalize();
  double sum = 0;
  size_t kept = 0;
  while (kept < ids.size() && (kept == 0 || sum < double{parameters.top_p})) {
    sum += probabilities[ids[kept++]];
  }
  ids.resize(kept);
  while (probabilities[ids.back()] < double{parameters.min_p} * probabilities[ids.front()]) {
    ids.pop_back();
  }
  normalize();
  return probabilities;
}

void ExpectDrawsFollow(const SamplingParameters& parameters, const std::vector<float>& logits) {
  constexpr int kDraws = 20'000;
  const std::vector<double> expected = ReferenceProbabilities(parameters, logits);
  std::vector<int64_t> counts(logits.size(), 0);
  for (const int32_t token : Choices(parameters, logits, kDraws)) {
    ++counts[static_cast<size_t>(token)];
  }
  ExpectCountsFollow(counts, expected);
}

TEST(SamplerTest, DrawsFollowTheDistributionUnderEachRuleAndTheirCombinations) {
  const std::vector<float> logits = {1.5F, -0.5F, 0.25F, 2.0F, 1.0F, 0.75F, -1.0F, 0.0F, 1.25F};
  struct Rules {
    float temperature;
    int32_t top_k;
    float top_p;
    float min_p;
  };
  const Rules cases[] = {
      {1, 0, 1, 0},          {0.5F, 0, 1, 0},    {2, 0, 1, 0},
      {1, 1, 1, 0},          {1, 4, 1, 0},       {1, 9, 1, 0},
      {1, 100, 1, 0},        {1, 0, 0.7F, 0},    {1, 0, 1e-6F, 0},
      {1, 0, 1, 0.3F},       {1, 0, 1, 1},       {1, 5, 0.8F, 0},
      {1.5F, 6, 0.9F, 0.3F}, {1, 3, 0.5F, 0.9F}, {0.25F, 7, 0.99F, 0.01F},
  };
  uint64_t seed = 1;
  for (const Rules& rules : cases) {
    SCOPED_TRACE(testing::Message() << rules.temperature << " " << rules.top_k << " " << rules.top_p
                                    << " " << rules.min_p);
    SamplingParameters parameters;
    parameters.temperature = rules.temperature;
    parameters.top_k = rules.top_k;
    parameters.top_p = rules.top_p;
    parameters.min_p = rules.min_p;
    parameters.seed = seed++;
    ExpectDrawsFollow(parameters, logits);
  }
}

TEST(SamplerTest, FindsTheHeadOfANucleusHoweverLongItIs) {
  // Of 3,000 equally likely tokens top_p keeps a head that is longer than what is looked at first.
  const std::vector<float> logits(3000, 0.5F);
  SamplingParameters parameters;
  parameters.top_p = 0.5F;
  int32_t largest = 0;
  for (const int32_t token : Choices(parameters, logits, 5'000)) largest = std::max(largest, token);
  EXPECT_LT(largest, 1500);
  EXPECT_GT(largest, 1400);
  parameters.top_p = 1;
  parameters.min_p = 0.5F;
  for (const int32_t token : Choices(parameters, logits, 5'000)) largest = std::max(largest, token);
  EXPECT_GT(largest, 2900);
}

TEST(SamplerTest, DrawsFromAllTokensOfALargeVocabularyByTheirProbability) {
  // The draw falls where the sums of the probabilities, by the formula, say.
  std::mt19937 random(6);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(5003);
  for (float& logit : logits) logit = normal(random);
  SamplingParameters parameters;
  parameters.temperature = 1.3F;
  parameters.seed = 9;
  const std::vector<double> probabilities = ReferenceProbabilities(parameters, logits);
  const std::vector<int32_t> tokens = Choices(parameters, logits, 300);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double draw = UniformDraw(9, 0, i);
    const auto token = probabilities.begin() + tokens[i];
    const double below = std::accumulate(probabilities.begin(), token, 0.0);
    EXPECT_GE(draw, below - 1e-5);
    EXPECT_LE(draw, below + *token + 1e-5);
  }
}

TEST(SamplerTest, EachChoiceDrawsByItsOwnNumber) {
  // 1,000 equally likely tokens show the draw itself.
  const std::vector<float> logits(1000, 0.0F);
  const std::vector<bool> selectable = AllSelectable(logits.size());
  SamplingParameters parameters;
  parameters.seed = 5;
  for (const int32_t choice : {0, 1, 7}) {
    Sampler sampler(parameters, selectable, {}, choice);
    for (uint64_t i = 0; i < 20; ++i) {
      const double draw = UniformDraw(5, static_cast<uint32_t>(choice), i);
      EXPECT_NEAR(sampler.Next(logits).token, draw * 1000, 1) << choice;
    }
  }
}

TEST(SamplerTest, SamplersOnSeveralThreadsChooseWhatEachChoosesAlone) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal(0, 2);
  const auto run = [](uint64_t seed, const std::vector<float>& logits) {
    SamplingParameters parameters;
    parameters.seed = seed;
    parameters.top_k = seed % 2 == 0 ? 40 : 0;
    parameters.top_p = seed % 3 == 0 ? 0.9F : 1.0F;
    parameters.repetition_penalty = 1.2F;
    return Choices(parameters, logits, 100);
  };
  std::vector<std::vector<float>> logits(8, std::vector<float>(1000));
  for (auto& row : logits) std::generate(row.begin(), row.end(), [&] { return normal(random); });
  std::vector<std::vector<int32_t>> together(logits.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < logits.size(); ++i) {
    threads.emplace_back([&, i] { together[i] = run(i, logits[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < logits.size(); ++i) EXPECT_EQ(together[i], run(i, logits[i])) << i;
}

TEST(SamplerTest, ChoosesTheLikeliestWhereATemperatureOrALogitIsExtreme) {
  SamplingParameters parameters;
  parameters.temperature = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(Choices(parameters, {1, 3, 2.999F}, 5), (std::vector<int32_t>{1, 1, 1, 1, 1}));
  parameters.top_p = 0.9F;
  EXPECT_EQ(Choices(parameters, {1, 3, 2.999F}, 5), (std::vector<int32_t>{1, 1, 1, 1, 1}));
  parameters.top_k = 2;
  EXPECT_EQ(Choices(parameters, {1, 3, 2.999F}, 5), (std::vector<int32_t>{1, 1, 1, 1, 1}));
  // A bias may be as large as a float, and the penalty's divisor small: then it is infinite.
  parameters = SamplingParameters();
  parameters.logit_bias = {{2, std::numeric_limits<float>::max()}};
  parameters.repetition_penalty = 1e-3F;
  EXPECT_EQ(Choices(parameters, {1, 3, 2}, 2, {2}), (std::vector<int32_t>{2, 2}));
}

TEST(SamplerTest, TopKKeepsTheSmallerIdsOfATie) {
  SamplingParameters parameters;
  parameters.top_k = 3;
  ExpectDrawsFollow(parameters, {1, 2, 1, 1, 0, 1});
  parameters.top_p = 0.95F;
  ExpectDrawsFollow(parameters, {1, 2, 1, 1, 0, 1});
}

TEST(SamplerTest, TheSameSeedGivesTheSameTokensAndAnotherSeedOthers) {
  const std::vector<float> logits(50, 0.0F);
  SamplingParameters parameters;
  parameters.seed = 11;
  const std::vector<int32_t> first = Choices(parameters, logits, 40);
  EXPECT_EQ(Choices(parameters, logits, 40), first);
  parameters.seed = uint64_t{11} << 32;
  EXPECT_NE(Choices(parameters, logits, 40), first);
}

TEST(SamplerTest, TheOrderOfEqualCandidatesDoesNotDependOnHowTheyWereFound) {
  // top_k over many ties: what nth_element leaves behind must not decide who is drawn.
  std::vector<float> logits(1000, 1.0F);
  for (size_t id = 0; id < 500; ++id) logits[id] = 0.5F;
  SamplingParameters parameters;
  parameters.top_k = 100;
  for (int32_t token : Choices(parameters, logits, 500)) {
    EXPECT_GE(token, 500);
    EXPECT_LT(token, 600);
  }
  const double draw = UniformDraw(parameters.seed, 0, 0);
  EXPECT_EQ(Choices(parameters, logits, 1)[0], 500 + static_cast<int32_t>(draw * 100));
}

TEST(SamplerTest, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  SamplingParameters parameters = Greedy();
  parameters.repetition_penalty = 2;
  EXPECT_EQ(Choices(parameters, {3, 2, -9}, 1, {0, 0, 0}), std::vector<int32_t>{1});
  EXPECT_EQ(Choices(parameters, {4.5F, 2, -9}, 1, {0, 0, 0}), std::vector<int32_t>{0});
  EXPECT_EQ(Choices(parameters, {-1, -1.5F}, 1, {0}), std::vector<int32_t>{1});
  // Of the answer too: 3, then 1.5 against 2, then 1.5 against 1.
  EXPECT_EQ(Choices(parameters, {3, 2, 0}, 4), (std::vector<int32_t>{0, 1, 0, 0}));
}

TEST(SamplerTest, PresenceAndFrequencyPenaltiesCountTheAnswerAlone) {
  SamplingParameters parameters = Greedy();
  parameters.presence_penalty = 1.5F;
  EXPECT_EQ(Choices(parameters, {3, 2, 0}, 4, {0, 0, 0}), (std::vector<int32_t>{0, 1, 0, 0}));
  parameters.presence_penalty = 0;
  parameters.frequency_penalty = 1;
  EXPECT_EQ(Choices(parameters, {3, 2, 0}, 6, {0, 0, 0}), (std::vector<int32_t>{0, 0, 1, 0, 1, 0}));
}

TEST(SamplerTest, BiasComesBeforeThePenaltyAndSuppressionBeforeTheChoice) {
  SamplingParameters parameters = Greedy();
  parameters.logit_bias = {{0, 2}};
  parameters.repetition_penalty = 2;
  // (1 + 2) / 2 < 2.4 < 1 / 2 + 2.
  EXPECT_EQ(Choices(parameters, {1, 2.4F, 0}, 1, {0}), std::vector<int32_t>{1});
  parameters.suppressed_tokens = {1};
  EXPECT_EQ(Choices(parameters, {1, 2.4F, 0}, 1, {0}), std::vector<int32_t>{0});
  parameters.logit_bias = {{2, 1.0F}, {2, 1.0F}};
  EXPECT_EQ(Choices(parameters, {1, 2.4F, 0}, 1, {0}), std::vector<int32_t>{2});
}

TEST(SamplerTest, NeverChoosesSuppressedIdsOrIdsWithoutAToken) {
  const std::vector<float> logits = {9, 1, 8, 1, 1};
  const std::vector<bool> selectable = {false, true, true, true, true};
  SamplingParameters parameters;
  parameters.suppressed_tokens = {2};
  for (const float temperature : {0.0F, 1.0F, 5.0F}) {
    parameters.temperature = temperature;
    Sampler sampler(parameters, selectable, {});
    for (int i = 0; i < 300; ++i) {
      const int32_t token = sampler.Next(logits).token;
      EXPECT_TRUE(token == 1 || token >= 3) << token;
    }
  }
}

TEST(SamplerTest, LogprobsAreThoseOfTheModelBeforeAllRules) {
  SamplingParameters parameters = Greedy();
  parameters.logit_bias = {{4, 100}};
  parameters.suppressed_tokens = {0};
  parameters.logprobs = true;
  parameters.top_logprobs = 5;
  const std::vector<float> logits = {3, 1, 2, 1, -40};
  const std::vector<bool> selectable = AllSelectable(logits.size());
  Sampler sampler(parameters, selectable, {});
  const TokenLogprob chosen = sampler.Next(logits);
  EXPECT_EQ(chosen.token, 4);
  const double normalizer =
      std::log(std::exp(3.0) + std::exp(2.0) + 2 * std::exp(1.0) + std::exp(-40.0));
  EXPECT_FLOAT_EQ(chosen.logprob, static_cast<float>(-40 - normalizer));
  std::vector<int32_t> order;
  double sum = 0;
  for (const auto& [token, logprob] : chosen.top) {
    order.push_back(token);
    sum += std::exp(double{logprob});
    EXPECT_FLOAT_EQ(logprob,
                    static_cast<float>(double{logits[static_cast<size_t>(token)]} - normalizer));
  }
  EXPECT_EQ(order, (std::vector<int32_t>{0, 2, 1, 3, 4}));
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(SamplerTest, GivesAsManyAlternativesAsAskedForAndNoneUnasked) {
  const std::vector<float> logits = {3, 1, 2};
  const std::vector<bool> selectable = AllSelectable(logits.size());
  SamplingParameters parameters = Greedy();
  EXPECT_EQ(Sampler(parameters, selectable, {}).Next(logits).logprob, 0);
  parameters.logprobs = true;
  EXPECT_LT(Sampler(parameters, selectable, {}).Next(logits).logprob, 0);
  for (const int32_t asked : {0, 2, 3, 20}) {
    parameters.top_logprobs = asked;
    EXPECT_EQ(Sampler(parameters, selectable, {}).Next(logits).top.size(),
              static_cast<size_t>(std::min(asked, 3)));
  }
}

TEST(SamplerTest, SurvivesLogitsThatAreNoNumbers) {
  std::mt19937 random(5);
  std::vector<float> logits(5000, std::numeric_limits<float>::quiet_NaN());
  const std::vector<bool> selectable = AllSelectable(logits.size());
  for (const bool any_number : {true, false}) {
    for (size_t id = 0; id < logits.size(); ++id) {
      const bool number = any_number && random() % 3 == 0;
      logits[id] =
          number ? static_cast<float>(random() % 100) : std::numeric_limits<float>::quiet_NaN();
    }
    for (const float temperature : {0.0F, 1.0F}) {
      SamplingParameters parameters;
      parameters.temperature = temperature;
      parameters.top_k = 1000;
      parameters.top_p = 0.9F;
      parameters.logprobs = true;
      parameters.top_logprobs = 20;
      Sampler sampler(parameters, selectable, {});
      const TokenLogprob chosen = sampler.Next(logits);
      ASSERT_LT(static_cast<size_t>(chosen.token), logits.size());
      EXPECT_EQ(std::isnan(logits[static_cast<size_t>(chosen.token)]), !any_number);
      EXPECT_EQ(chosen.top.size(), 20U);
    }
  }
}

}  // namespace
}  // namespace scanserve::runtime
