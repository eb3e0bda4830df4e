#include "server/document_pair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace scanserve::server {
namespace {

using order::TargetClass;
using testing::ElementsAre;
using testing::HasSubstr;
using Targets = std::vector<runtime::ScoredTokens::Target>;

constexpr auto kLeaked = TargetClass::kLeaked;
constexpr auto kLookahead = TargetClass::kLookahead;
constexpr auto kCausal = TargetClass::kCausal;

TEST(DocumentPairTest, SumsEachClassAndTakesTheWorseOfTheTwo) {
  DocumentPair pair(false);
  pair.AddFirst({{1, 10, 1, kCausal}, {2, 20, 2, kLeaked}, {3, 30, 4, kLookahead}});
  ASSERT_TRUE(
      pair.AddSecond({{1, 10, 1.5, kCausal}, {2, 20, 5, kCausal}, {3, 30, 6, kCausal}}).ok());
  ASSERT_TRUE(pair.End().ok());
  EXPECT_EQ(pair.scores().causal.tokens, 1);
  EXPECT_EQ(pair.scores().causal.nll_a, 1);
  EXPECT_EQ(pair.scores().causal.nll_b, 1.5);
  EXPECT_EQ(pair.scores().leaked.tokens, 1);
  EXPECT_EQ(pair.scores().leaked.nll_b, 5);
  EXPECT_EQ(pair.scores().lookahead.nll_a, 4);
}

TEST(DocumentPairTest, ComparesOnlyTokensThatAreCausalUnderBothArms) {
  DocumentPair pair(false);
  pair.AddFirst({{1, 10, 1, kCausal}, {2, 20, 2, kCausal}, {3, 30, 4, kLeaked}});
  ASSERT_TRUE(
      pair.AddSecond({{1, 10, 4, kCausal}, {2, 20, 9, kLookahead}, {3, 30, 9, kCausal}}).ok());
  EXPECT_EQ(pair.cluster().tokens, 1);
  EXPECT_EQ(pair.cluster().difference, 3);
}

TEST(DocumentPairTest, TellsTheArmsApartWhicheverComesFirst) {
  DocumentPair pair(true);
  pair.AddFirst({{1, 10, 7, kCausal}});
  ASSERT_TRUE(pair.AddSecond({{1, 10, 2, kCausal}}).ok());
  EXPECT_EQ(pair.scores().causal.nll_a, 2);
  EXPECT_EQ(pair.scores().causal.nll_b, 7);
  EXPECT_EQ(pair.cluster().difference, 5);
}

TEST(DocumentPairTest, JoinsTheWindowsOfADocument) {
  DocumentPair pair(false);
  pair.AddFirst({{1, 10, 1, kCausal}});
  pair.AddFirst({{2, 20, 1, kCausal}, {3, 30, 1, kCausal}});
  ASSERT_TRUE(pair.AddSecond({{1, 10, 2, kCausal}, {2, 20, 2, kCausal}}).ok());
  EXPECT_THAT(pair.End().message(), HasSubstr("3 tokens, the other 2"));
  ASSERT_TRUE(pair.AddSecond({{3, 30, 2, kCausal}}).ok());
  EXPECT_TRUE(pair.End().ok());
  EXPECT_EQ(pair.cluster().difference, 3);
}

TEST(DocumentPairTest, RefusesArmsThatScoredOtherTokens) {
  const Targets first = {{1, 10, 1, kCausal}, {2, 20, 1, kCausal}};
  for (const Targets& second :
       std::vector<Targets>{{{1, 11, 1, kCausal}},
                            {{2, 10, 1, kCausal}},
                            {{1, 10, 1, kCausal}, {2, 20, 1, kCausal}, {3, 30, 1, kCausal}}}) {
    DocumentPair pair(false);
    pair.AddFirst(first);
    EXPECT_TRUE(absl::IsInternal(pair.AddSecond(second)));
  }
}

TEST(DocumentPairTest, SendsTheValuesOfEachTokenInMessagesOfBoundedSize) {
  DocumentPair pair(true);
  Targets targets;
  for (int i = 0; i < 40'000; ++i) targets.push_back({i + 1, i % 100, 1, kCausal});
  pair.AddFirst(targets);
  for (auto& target : targets) target.nll = 3;
  targets[1].target_class = kLeaked;
  ASSERT_TRUE(pair.AddSecond(targets).ok());
  const Document document = {.id = "x", .group = "", .index = 7, .content = {}};
  const auto messages = pair.MessagesOf(document, targets);
  ASSERT_EQ(messages.size(), 2);
  EXPECT_LE(messages[0].ByteSizeLong(), 1 << 20);
  const v1::TokenDifferences& tokens = messages[0].tokens();
  EXPECT_EQ(tokens.document_id(), "x");
  EXPECT_EQ(tokens.index(), 7);
  EXPECT_EQ(tokens.nlls_a(0), 3);
  EXPECT_EQ(tokens.nlls_b(0), 1);
  EXPECT_EQ(tokens.classes(1), v1::TARGET_CLASS_LEAKED);
  EXPECT_EQ(messages[1].tokens().positions(0), tokens.positions_size() + 1);
  EXPECT_EQ(tokens.positions_size() + messages[1].tokens().positions_size(), 40'000);
}

}  // namespace
}  // namespace scanserve::server
