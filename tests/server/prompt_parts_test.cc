#include "server/prompt_parts.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "server/backend.h"
#include "tests/core/runtime/piece_tokenizer.h"

namespace scanserve::server {
namespace {

using runtime::PromptLogprobs;

constexpr int32_t kAlternatives = 20;

std::vector<int32_t> Tokens(size_t count, int32_t vocabulary) {
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = static_cast<int32_t>(i * 7) % vocabulary;
  return tokens;
}

// Distinct values for each position.
std::shared_ptr<PromptLogprobs::Values> Values(size_t tokens, bool with_classes) {
  auto values = std::make_shared<PromptLogprobs::Values>();
  values->alternatives = kAlternatives;
  for (size_t i = 1; i < tokens; ++i) {
    values->logprobs.push_back(-static_cast<float>(i));
    for (int32_t place = 0; place < kAlternatives; ++place) {
      values->top.emplace_back(place % 3, -static_cast<float>(i) - static_cast<float>(place) / 32);
    }
    if (with_classes) values->classes.push_back(static_cast<order::TargetClass>(i % 3));
  }
  return values;
}

// All parts joined, each within the limit.
v1::GeneratePrompt Joined(PromptParts& parts, int* count) {
  v1::GeneratePrompt joined;
  std::string text;
  v1::GeneratePrompt part;
  for (*count = 0; parts.Next(&part); ++*count) {
    EXPECT_LT(static_cast<int64_t>(part.ByteSizeLong()), kMaxServerMessageBytes);
    // Whole characters: what is cut ends in no lead byte.
    EXPECT_FALSE(absl::EndsWith(part.text(), "\xC3"));
    text += part.text();
    joined.MergeFrom(part);
    part.Clear();
  }
  joined.set_text(text);
  return joined;
}

TEST(PromptPartsTest, JoinedAreTheWholePromptOfTheLargestSize) {
  const auto tokenizer =
      runtime::PieceTokenizer({"a", "\xC3\xA9", "\xC3\xA9\xC3\xA9 in a word of its own"});
  const std::vector<int32_t> tokens = Tokens(32'768, 3);
  PromptParts parts(tokens, true, Values(tokens.size(), true), *tokenizer);
  int count = 0;
  const v1::GeneratePrompt joined = Joined(parts, &count);
  EXPECT_GT(count, 10);
  EXPECT_EQ(joined.text(), tokenizer->Decode(tokens, false));
  EXPECT_EQ(std::vector<int32_t>(joined.token_ids().begin(), joined.token_ids().end()), tokens);
  ASSERT_EQ(joined.logprobs_size(), 32'767);
  for (int i = 0; i < joined.logprobs_size(); ++i) {
    const v1::PromptLogprob& scored = joined.logprobs(i);
    const auto position = static_cast<size_t>(i) + 1;
    ASSERT_EQ(scored.position(), static_cast<int64_t>(position));
    ASSERT_EQ(scored.logprob().token_id(), tokens[position]);
    ASSERT_EQ(scored.logprob().logprob(), -static_cast<float>(position));
    ASSERT_EQ(scored.logprob().token(), tokenizer->TokenBytes(tokens[position]));
    ASSERT_EQ(scored.logprob().top_size(), kAlternatives);
    ASSERT_EQ(scored.logprob().top(2).token_id(), 2);
    ASSERT_EQ(scored.logprob().top(2).logprob(), -static_cast<float>(position) - 2.0F / 32);
    const v1::TargetClass classes[] = {v1::TARGET_CLASS_LEAKED, v1::TARGET_CLASS_LOOKAHEAD,
                                       v1::TARGET_CLASS_CAUSAL};
    ASSERT_EQ(scored.target_class(), classes[position % 3]);
  }
}

TEST(PromptPartsTest, AreNotCutInsideACharacter) {
  // After one byte all characters have two: every even cut would fall inside one.
  const auto tokenizer = runtime::PieceTokenizer({"a", "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"});
  std::vector<int32_t> tokens(80'000, 1);
  tokens[0] = 0;
  PromptParts parts(tokens, true, nullptr, *tokenizer);
  int count = 0;
  EXPECT_EQ(Joined(parts, &count).text(), tokenizer->Decode(tokens, false));
  EXPECT_GT(count, 2);
}

TEST(PromptPartsTest, GiveTextAndIdsWithoutLogprobsSpecialTokensIncluded) {
  const auto tokenizer = runtime::PieceTokenizer({"a", "b"});
  PromptParts parts({0, 2, 1}, true, nullptr, *tokenizer);
  int count = 0;
  const v1::GeneratePrompt joined = Joined(parts, &count);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(joined.text(), "a<|end|>b");
  EXPECT_EQ(joined.token_ids_size(), 3);
  EXPECT_EQ(joined.logprobs_size(), 0);
}

TEST(PromptPartsTest, GiveLogprobsAloneAndCallThemCausalWithoutAnOrder) {
  const auto tokenizer = runtime::PieceTokenizer({"a", "b", "c"});
  PromptParts parts({0, 2, 1}, false, Values(3, false), *tokenizer);
  int count = 0;
  const v1::GeneratePrompt joined = Joined(parts, &count);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(joined.text(), "");
  EXPECT_EQ(joined.token_ids_size(), 0);
  ASSERT_EQ(joined.logprobs_size(), 2);
  EXPECT_EQ(joined.logprobs(1).target_class(), v1::TARGET_CLASS_CAUSAL);
}

TEST(PromptPartsTest, OfASingleTokenWithoutEchoAreNone) {
  const auto tokenizer = runtime::PieceTokenizer({"a"});
  PromptParts parts({0}, false, Values(1, false), *tokenizer);
  v1::GeneratePrompt part;
  EXPECT_FALSE(parts.Next(&part));
}

}  // namespace
}  // namespace scanserve::server
