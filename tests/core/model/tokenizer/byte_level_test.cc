#include "core/model/tokenizer/byte_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

using testing::ElementsAre;

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = EndOfGpt2Word(text, begin);
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

TEST(ByteLevelTest, ItsAlphabetStandsForEveryByteOnce) {
  std::set<std::string> bytes;
  for (char32_t c = 0; c < 0x200; ++c) {
    std::string token;
    AppendUtf8(c, &token);
    const auto byte = BytesOfByteLevelToken(token);
    if (byte.has_value()) bytes.insert(*byte);
  }
  EXPECT_EQ(bytes.size(), 256u);
}

TEST(ByteLevelTest, TokensWithOtherCharactersDecodeToThemselves) {
  EXPECT_EQ(DecodedBytes("\xC4\xA0"
                         "a"),
            " a");
  EXPECT_EQ(DecodedBytes("\xC4\xA0\xE6\x97\xA5"), "\xC4\xA0\xE6\x97\xA5");
}

TEST(ByteLevelTest, TheLastOfSeveralSpacesBelongsToTheNextWord) {
  EXPECT_THAT(Words("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(Words("a \n\tb"), ElementsAre("a", " \n", "\t", "b"));
  EXPECT_THAT(Words("a   "), ElementsAre("a", "   "));
  EXPECT_THAT(Words("a b"), ElementsAre("a", " b"));
  EXPECT_THAT(Words("\nb"), ElementsAre("\n", "b"));
}

TEST(ByteLevelTest, OnlyLowerCaseContractionsAreWords) {
  EXPECT_THAT(Words("it's we'll"), ElementsAre("it", "'s", " we", "'ll"));
  EXPECT_THAT(Words("IT'S"), ElementsAre("IT", "'", "S"));
  EXPECT_THAT(Words(" 's"), ElementsAre(" '", "s"));
}

}  // namespace
}  // namespace scanserve::model
