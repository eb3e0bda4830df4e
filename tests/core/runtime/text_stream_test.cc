#include "core/runtime/text_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/core/runtime/piece_tokenizer.h"

namespace scanserve::runtime {
namespace {

using Ids = std::vector<int32_t>;
using Pieces = std::vector<std::string>;

struct Answer {
  std::string text;
  Ids tokens;
  std::string stopped_by;
  // Of the deltas, Finish() last.
  Pieces texts;
};

// Feeds `pieces`, each a token, and gathers what is handed out. Tokens are told by their places,
// which travel as log probabilities.
Answer Feed(const Pieces& pieces, const Pieces& stop_strings) {
  Pieces vocabulary = pieces;
  std::sort(vocabulary.begin(), vocabulary.end());
  vocabulary.erase(std::unique(vocabulary.begin(), vocabulary.end()), vocabulary.end());
  const auto tokenizer = PieceTokenizer(vocabulary);
  TextStream stream(*tokenizer, stop_strings);
  Answer answer;
  const auto take = [&](const Delta& delta) {
    answer.text += delta.text;
    answer.texts.push_back(delta.text);
    ASSERT_EQ(delta.tokens.size(), delta.logprobs.size());
    for (size_t i = 0; i < delta.tokens.size(); ++i) {
      EXPECT_EQ(delta.tokens[i], delta.logprobs[i].token);
      answer.tokens.push_back(static_cast<int32_t>(delta.logprobs[i].logprob));
    }
  };
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto id = std::lower_bound(vocabulary.begin(), vocabulary.end(), pieces[i]);
    const auto token = static_cast<int32_t>(id - vocabulary.begin());
    take(stream.Push({token, static_cast<float>(i), {}}, true));
  }
  take(stream.Finish());
  answer.stopped_by = stream.stopped_by().value_or("");
  return answer;
}

TEST(TextStreamTest, HandsOutTextAndTokensAtOnceWhenNothingCanClaimThem) {
  const Answer answer = Feed({"a", "bc", " d"}, {});
  EXPECT_EQ(answer.texts, (Pieces{"a", "bc", " d", ""}));
  EXPECT_EQ(answer.tokens, (Ids{0, 1, 2}));
}

TEST(TextStreamTest, WithholdsAStopStringOverOneTwoAndThreeTokens) {
  for (const Pieces& pieces :
       {Pieces{"a", "the", "b"}, Pieces{"a", "th", "e", "b"}, Pieces{"a", "t", "h", "e", "b"}}) {
    const Answer answer = Feed(pieces, {"the"});
    EXPECT_EQ(answer.text, "a");
    EXPECT_EQ(answer.tokens, Ids{0});
    EXPECT_EQ(answer.stopped_by, "the");
  }
}

TEST(TextStreamTest, SendsTextBeforeAStopStringThatBeginsInsideAToken) {
  const Answer answer = Feed({"a", "bath", "ebc"}, {"the"});
  EXPECT_EQ(answer.texts, (Pieces{"a", "ba", "", ""}));
  EXPECT_EQ(answer.tokens, Ids{0});
  EXPECT_EQ(answer.stopped_by, "the");
}

TEST(TextStreamTest, WithholdsAStopStringWhoseCharacterIsSplitOverTokens) {
  // The euro sign is E2 82 AC.
  for (const Pieces& pieces :
       {Pieces{"a", "\xE2", "\x82", "\xAC", "b"}, Pieces{"a", "\xE2\x82", "\xAC"},
        Pieces{"a", "\xE2\x82\xAC"}, Pieces{"a", "\xE2", "\x82\xAC", "b"}}) {
    const Answer answer = Feed(pieces, {"\xE2\x82\xAC"});
    EXPECT_EQ(answer.text, "a");
    EXPECT_EQ(answer.tokens, Ids{0}) << "bytes of the stop string stay with their tokens";
    EXPECT_EQ(answer.stopped_by, "\xE2\x82\xAC");
  }
  const Answer around = Feed({"1\xE2", "\x82",
                              "\xAC"
                              "2",
                              "\xC3",
                              "\xA9"
                              "3"},
                             {"2\xC3\xA9"});
  EXPECT_EQ(around.text, "1\xE2\x82\xAC");
  EXPECT_EQ(around.tokens, (Ids{0, 1}));
}

TEST(TextStreamTest, HandsATokenOutWithTheLastByteOfItsCharacter) {
  const auto tokenizer = PieceTokenizer({"a\xE2", "\x82",
                                         "\xAC"
                                         "b"});
  const Pieces none;
  TextStream stream(*tokenizer, none);
  const Delta first = stream.Push({0, 0, {}}, false);
  EXPECT_EQ(first.text, "a");
  EXPECT_TRUE(first.tokens.empty());
  EXPECT_TRUE(stream.Push({1, 0, {}}, false).tokens.empty());
  const Delta last = stream.Push({2, 0, {}}, false);
  EXPECT_EQ(last.text,
            "\xE2\x82\xAC"
            "b");
  EXPECT_EQ(last.tokens, (Ids{0, 1, 2}));
}

TEST(TextStreamTest, HandsOutAPrefixOfAStopStringOnceItCannotBeOne) {
  const Answer answer = Feed({"t", "h", "a", "t", "t", "h"}, {"the"});
  EXPECT_EQ(answer.texts, (Pieces{"", "", "tha", "", "t", "", "th"}));
  EXPECT_EQ(answer.tokens, (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(answer.stopped_by, "");
}

TEST(TextStreamTest, FindsAStopStringThatOverlapsItsOwnPrefix) {
  const Answer answer = Feed({"a", "a", "a", "b", "c"}, {"aab"});
  EXPECT_EQ(answer.texts, (Pieces{"", "", "a", "", "", ""}));
  EXPECT_EQ(answer.tokens, Ids{0});
  EXPECT_EQ(answer.stopped_by, "aab");
}

TEST(TextStreamTest, OfOverlappingStopStringsTheOneThatBeginsFirstWins) {
  const Answer answer = Feed({"x", "yabcz"}, {"bc", "abc", "c"});
  EXPECT_EQ(answer.text, "xy");
  EXPECT_EQ(answer.stopped_by, "abc");
  // The longer one is not complete when the shorter one is.
  const Answer shorter = Feed({"a", "b", "c"}, {"abc", "b"});
  EXPECT_EQ(shorter.text, "a");
  EXPECT_EQ(shorter.tokens, Ids{0});
  EXPECT_EQ(shorter.stopped_by, "b");
}

TEST(TextStreamTest, FindsAStopStringAtTheVeryEndAndAtTheVeryBeginning) {
  EXPECT_EQ(Feed({"ab", "cd"}, {"d"}).text, "abc");
  EXPECT_EQ(Feed({"ab", "cd"}, {"abcd"}).text, "");
  EXPECT_EQ(Feed({"ab", "cd"}, {"abcd"}).tokens, Ids{});
}

TEST(TextStreamTest, BytesThatMakeNoCharacterBecomeTheReplacementCharacterAtTheEnd) {
  const Answer answer = Feed({"a", "\xE2", "\x82"}, {});
  EXPECT_EQ(answer.text, "a\xEF\xBF\xBD");
  EXPECT_EQ(answer.tokens, (Ids{0, 1, 2}));
  const Answer stopped = Feed({"a", "\xE2", "\x82"}, {"\xEF\xBF\xBD"});
  EXPECT_EQ(stopped.text, "a");
  EXPECT_EQ(stopped.tokens, Ids{0});
}

TEST(TextStreamTest, SpecialTokensHaveNoTextAndKeepTheirPlace) {
  const auto tokenizer = PieceTokenizer({"t", "\xE2"});
  const Pieces stop_strings = {"th"};
  TextStream stream(*tokenizer, stop_strings);
  EXPECT_EQ(stream.Push({2, 0, {}}, false).tokens, Ids{2});
  EXPECT_TRUE(stream.Push({0, 0, {}}, false).tokens.empty());
  EXPECT_TRUE(stream.Push({2, 0, {}}, false).tokens.empty());
  EXPECT_TRUE(stream.Push({1, 0, {}}, false).tokens.empty());
  const Delta rest = stream.Finish();
  EXPECT_EQ(rest.text, "t\xEF\xBF\xBD");
  EXPECT_EQ(rest.tokens, (Ids{0, 2, 1}));
}

TEST(TextStreamTest, LogprobsTravelWithTheirTokens) {
  const auto tokenizer = PieceTokenizer({"t", "h", "x"});
  const Pieces stop_strings = {"the"};
  TextStream stream(*tokenizer, stop_strings);
  EXPECT_TRUE(stream.Push({0, -1, {}}, true).logprobs.empty());
  EXPECT_TRUE(stream.Push({1, -2, {}}, true).logprobs.empty());
  const Delta delta = stream.Push({2, -3, {{2, -3}}}, true);
  ASSERT_EQ(delta.logprobs.size(), 3U);
  EXPECT_EQ(delta.logprobs[0].logprob, -1);
  EXPECT_EQ(delta.logprobs[2].token, 2);
  EXPECT_EQ(delta.logprobs[2].top.size(), 1U);
}

// What may be handed out of `pieces`, by the rules in the plainest form.
Answer Reference(const Pieces& pieces, const Pieces& stop_strings) {
  std::string certain, all;
  for (const std::string& piece : pieces) all += piece;
  size_t bytes = 0;
  for (const std::string& piece : pieces) {
    bytes += piece.size();
    // The texts below hold characters of one byte and of two (C3 A9): one byte waits at most.
    const bool waits = bytes > 0 && all[bytes - 1] == '\xC3' && bytes < all.size();
    certain = all.substr(0, bytes - (waits ? 1 : 0));
    size_t first = std::string::npos;
    for (const std::string& stop : stop_strings) first = std::min(first, certain.find(stop));
    if (first != std::string::npos) {
      certain.resize(first);
      break;
    }
  }
  Answer answer;
  answer.text = certain;
  size_t end = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    end += pieces[i].size();
    // A token that ends inside a character is out when the character is.
    const bool inside = end < all.size() && all[end] == '\xA9';
    if (end + (inside ? 1 : 0) > certain.size()) break;
    answer.tokens.push_back(static_cast<int32_t>(i));
  }
  return answer;
}

TEST(TextStreamTest, EqualsAPlainReferenceOnRandomTexts) {
  std::mt19937 random(3);
  const Pieces letters = {"a", "b", "\xC3\xA9"};
  const auto text = [&](size_t characters) {
    std::string result;
    for (size_t i = 0; i < characters; ++i) result += letters[random() % letters.size()];
    return result;
  };
  int stopped = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string whole = text(4 + random() % 12);
    Pieces pieces;
    for (size_t at = 0; at < whole.size();) {
      const size_t length = std::min<size_t>(1 + random() % 4, whole.size() - at);
      pieces.push_back(whole.substr(at, length));
      at += length;
    }
    Pieces stop_strings;
    for (size_t i = random() % 4; i > 0; --i) stop_strings.push_back(text(1 + random() % 4));
    const Answer answer = Feed(pieces, stop_strings);
    const Answer expected = Reference(pieces, stop_strings);
    ASSERT_EQ(answer.text, expected.text);
    ASSERT_EQ(answer.tokens, expected.tokens);
    stopped += answer.stopped_by.empty() ? 0 : 1;
  }
  EXPECT_GE(stopped, 20);
}

}  // namespace
}  // namespace scanserve::runtime
