#include "server/convert_sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace scanserve::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kVocabulary = 100;

absl::StatusOr<runtime::SamplingParameters> Convert(const v1::SamplingParameters& proto,
                                                    const model::GenerationConfig& defaults = {}) {
  return SamplingFromProto(proto, defaults, kVocabulary, RequestLimits(), 77);
}

TEST(ConvertSamplingTest, TakesHuggingFacesDefaultsWithoutAConfig) {
  const auto sampling = Convert({});
  ASSERT_TRUE(sampling.ok());
  EXPECT_EQ(sampling->max_new_tokens, 128);
  EXPECT_EQ(sampling->temperature, 0.0F);
  EXPECT_EQ(sampling->top_k, 50);
  EXPECT_EQ(sampling->top_p, 1.0F);
  EXPECT_EQ(sampling->min_p, 0.0F);
  EXPECT_EQ(sampling->repetition_penalty, 1.0F);
  EXPECT_EQ(sampling->seed, 77u);
  EXPECT_FALSE(sampling->ignore_eos);
}

TEST(ConvertSamplingTest, TakesTheModelsDefaultsBeforeThose) {
  model::GenerationConfig defaults;
  defaults.do_sample = true;
  defaults.temperature = 0.8F;
  defaults.top_k = 7;
  defaults.top_p = 0.95F;
  defaults.min_p = 0.1F;
  defaults.repetition_penalty = 1.2F;
  defaults.max_new_tokens = 20;
  defaults.eos_token_ids = {0, 3};
  defaults.suppress_tokens = {1, 2, 100};
  const auto sampling = Convert({}, defaults);
  ASSERT_TRUE(sampling.ok());
  EXPECT_EQ(sampling->temperature, 0.8F);
  EXPECT_EQ(sampling->top_k, 7);
  EXPECT_EQ(sampling->top_p, 0.95F);
  EXPECT_EQ(sampling->min_p, 0.1F);
  EXPECT_EQ(sampling->repetition_penalty, 1.2F);
  EXPECT_EQ(sampling->max_new_tokens, 20);
  EXPECT_THAT(sampling->eos_token_ids, ElementsAre(0, 3));
  EXPECT_THAT(sampling->suppressed_tokens, ElementsAre(1, 2));
}

TEST(ConvertSamplingTest, TheRequestComesFirst) {
  model::GenerationConfig defaults;
  defaults.do_sample = true;
  defaults.temperature = 0.8F;
  defaults.top_k = 7;
  defaults.suppress_tokens = {1, 2};
  v1::SamplingParameters proto;
  proto.set_temperature(0.5F);
  proto.set_top_k(0);
  proto.set_seed(0);
  proto.mutable_suppress_tokens();
  const auto sampling = Convert(proto, defaults);
  ASSERT_TRUE(sampling.ok());
  EXPECT_EQ(sampling->temperature, 0.5F);
  EXPECT_EQ(sampling->top_k, 0);
  EXPECT_EQ(sampling->seed, 0u);
  EXPECT_TRUE(sampling->suppressed_tokens.empty());
}

TEST(ConvertSamplingTest, ATemperatureAloneSwitchesSamplingOn) {
  v1::SamplingParameters proto;
  proto.set_temperature(0.7F);
  EXPECT_EQ(Convert(proto)->temperature, 0.7F);
  proto.set_do_sample(false);
  EXPECT_EQ(Convert(proto)->temperature, 0.0F);
}

TEST(ConvertSamplingTest, ALongerDefaultOfTheModelIsFittedToTheLimit) {
  model::GenerationConfig defaults;
  defaults.max_new_tokens = 100'000;
  EXPECT_EQ(Convert({}, defaults)->max_new_tokens, 4'096);
}

TEST(ConvertSamplingTest, EchoesEveryValueInForce) {
  v1::SamplingParameters proto;
  (*proto.mutable_logit_bias())[5] = 1.5F;
  proto.set_top_logprobs(3);
  proto.add_stop_strings("stop");
  const v1::SamplingParameters echo = SamplingToProto(*Convert(proto), 3);
  EXPECT_TRUE(echo.has_max_new_tokens() && echo.has_temperature() && echo.has_top_k() &&
              echo.has_top_p() && echo.has_min_p() && echo.has_repetition_penalty() &&
              echo.has_presence_penalty() && echo.has_frequency_penalty() && echo.has_seed() &&
              echo.has_ignore_eos() && echo.has_n() && echo.has_logprobs() &&
              echo.has_top_logprobs() && echo.has_suppress_tokens() && echo.has_do_sample());
  EXPECT_EQ(echo.logit_bias().at(5), 1.5F);
  EXPECT_EQ(echo.n(), 3);
  EXPECT_TRUE(echo.logprobs());
  EXPECT_FALSE(echo.do_sample());
  EXPECT_EQ(echo.stop_strings(0), "stop");
}

struct BadField {
  const char* field;
  std::function<void(v1::SamplingParameters&)> set;
};

TEST(ConvertSamplingTest, RefusesWhatIsOutOfRangeByName) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<BadField> bad_fields = {
      {"max_new_tokens", [](auto& p) { p.set_max_new_tokens(-1); }},
      {"max_new_tokens", [](auto& p) { p.set_max_new_tokens(4'097); }},
      {"temperature", [](auto& p) { p.set_temperature(-0.1F); }},
      {"temperature", [](auto& p) { p.set_temperature(100.5F); }},
      {"temperature", [](auto& p) { p.set_temperature(kNan); }},
      {"top_k", [](auto& p) { p.set_top_k(-1); }},
      {"top_p", [](auto& p) { p.set_top_p(0); }},
      {"top_p", [](auto& p) { p.set_top_p(1.01F); }},
      {"min_p", [](auto& p) { p.set_min_p(-0.1F); }},
      {"repetition_penalty", [](auto& p) { p.set_repetition_penalty(0); }},
      {"repetition_penalty", [](auto& p) { p.set_repetition_penalty(kInfinity); }},
      {"presence_penalty", [](auto& p) { p.set_presence_penalty(101); }},
      {"frequency_penalty", [](auto& p) { p.set_frequency_penalty(-101); }},
      {"logit_bias", [](auto& p) { (*p.mutable_logit_bias())[100] = 1; }},
      {"logit_bias", [](auto& p) { (*p.mutable_logit_bias())[1] = kInfinity; }},
      {"stop_strings", [](auto& p) { p.add_stop_strings(""); }},
      {"stop_strings", [](auto& p) { p.add_stop_strings(std::string(257, 'x')); }},
      {"stop_strings",
       [](auto& p) {
         for (int i = 0; i < 17; ++i) p.add_stop_strings("x");
       }},
      {"stop_token_ids", [](auto& p) { p.add_stop_token_ids(-1); }},
      {"stop_token_ids",
       [](auto& p) {
         for (int i = 0; i < 65; ++i) p.add_stop_token_ids(1);
       }},
      {"top_logprobs", [](auto& p) { p.set_top_logprobs(21); }},
      {"suppress_tokens", [](auto& p) { p.mutable_suppress_tokens()->add_ids(100); }},
  };
  for (const BadField& bad : bad_fields) {
    v1::SamplingParameters proto;
    bad.set(proto);
    const auto sampling = Convert(proto);
    ASSERT_EQ(sampling.status().code(), absl::StatusCode::kInvalidArgument) << bad.field;
    EXPECT_THAT(sampling.status().message(), HasSubstr(bad.field));
  }
}

TEST(ConvertSamplingTest, AcceptsEachLimitItself) {
  v1::SamplingParameters proto;
  proto.set_max_new_tokens(4'096);
  proto.set_temperature(100);
  proto.set_top_p(1);
  proto.set_top_logprobs(20);
  for (int i = 0; i < 16; ++i) proto.add_stop_strings(std::string(256, 'x'));
  for (int i = 0; i < 64; ++i) proto.add_stop_token_ids(99);
  for (int i = 0; i < 100; ++i) (*proto.mutable_logit_bias())[i] = -1;
  EXPECT_TRUE(Convert(proto).ok());
}

}  // namespace
}  // namespace scanserve::server
