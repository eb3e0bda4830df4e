#include "server/convert_generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/ops/linear.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

const model::LanguageModel& TinyModel() {
  static const auto model = *model::LoadLanguageModel(
      std::string(SCANSERVE_SOURCE_DIR) + "/tests/golden/checkpoints/odd_vocabulary",
      ops::MakePackedLinear);
  return *model;
}

absl::StatusOr<runtime::GenerateRequest> Convert(
    const std::function<void(v1::GenerateRequest&)>& change) {
  v1::GenerateRequest proto;
  change(proto);
  return GenerationFromProto(proto, TinyModel(), RequestLimits(), 77);
}

TEST(ConvertGenerationTest, AsksForOneAnswerAndNothingElseByDefault) {
  const auto request = Convert([](auto&) {});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->n, 1);
  EXPECT_FALSE(request->prompt_logprobs);
  EXPECT_EQ(request->sampling.seed, 77U);
}

TEST(ConvertGenerationTest, TakesAsManyAnswersAsTheLimitSays) {
  EXPECT_EQ(Convert([](auto& p) { p.mutable_sampling()->set_n(8); })->n, 8);
  for (const int32_t n : {-1, 0, 9}) {
    const auto refused = Convert([n](auto& p) { p.mutable_sampling()->set_n(n); });
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << n;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("sampling.n: "));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("8"));
  }
}

TEST(ConvertGenerationTest, TakesNoNewTokensOnlyWhereThePromptIsWanted) {
  const auto nothing = [](v1::GenerateRequest& p) { p.mutable_sampling()->set_max_new_tokens(0); };
  const auto refused = Convert(nothing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("max_new_tokens: 0"));
  const auto with = [&](void (v1::GenerateRequest::*set)(bool)) {
    return Convert([&](auto& p) {
      nothing(p);
      (p.*set)(true);
    });
  };
  EXPECT_EQ(with(&v1::GenerateRequest::set_echo)->sampling.max_new_tokens, 0);
  const auto scored = with(&v1::GenerateRequest::set_prompt_logprobs);
  EXPECT_EQ(scored->sampling.max_new_tokens, 0);
  EXPECT_TRUE(scored->prompt_logprobs);
  const auto negative = Convert([](auto& p) {
    p.set_echo(true);
    p.mutable_sampling()->set_max_new_tokens(-1);
  });
  EXPECT_EQ(negative.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConvertGenerationTest, RefusesSeveralAnswersOfNoTokens) {
  const auto refused = Convert([](auto& p) {
    p.set_echo(true);
    p.mutable_sampling()->set_max_new_tokens(0);
    p.mutable_sampling()->set_n(2);
  });
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("sampling.n: 2"));
}

TEST(ConvertGenerationTest, RefusesToSuppressEveryToken) {
  const auto refused = Convert([](auto& p) {
    for (int32_t id = 0; id < TinyModel().config.vocab_size; ++id) {
      p.mutable_sampling()->mutable_suppress_tokens()->add_ids(id);
    }
  });
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConvertGenerationTest, EventsCarryTheChoice) {
  runtime::Delta delta;
  delta.choice = 3;
  delta.text = "a";
  EXPECT_EQ(DeltaToProto(delta, *TinyModel().tokenizer).choice(), 3);
  runtime::Finished finished;
  finished.choice = 5;
  EXPECT_EQ(FinishedToProto(finished).choice(), 5);
}

}  // namespace
}  // namespace scanserve::server
