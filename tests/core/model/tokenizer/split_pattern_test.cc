#include "core/model/tokenizer/split_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/tokenizer/utf8.h"
#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

using testing::HasSubstr;

TEST(SplitPatternTest, TranslatesClassesToWhatTheReferenceMatches) {
  EXPECT_EQ(TranslatePattern(R"(\s+(?!\S)|[^\r\n\p{L}a-f]?)").value(),
            R"(\p{White_Space}+(?!\P{White_Space})|[^\x{D}\x{A}\p{L}\x{61}-\x{66}]?)");
}

TEST(SplitPatternTest, RefusesByNameWhatIcuReadsInAnotherWay) {
  const std::vector<std::pair<const char*, const char*>> patterns = {
      {R"(\h)", "escape"},
      {R"(\w)", "escape"},
      {R"(\bx)", "escape"},
      {R"(a.b)", "\".\""},
      {"^a", "\"^\""},
      {"a$", "\"$\""},
      {R"(\p{Han})", "property"},
      {R"(\p{^L})", "property"},
      {R"(\p{Mn})", "property"},
      {"a{,3}", "{n,m}"},
      {"a{2", "never closed"},
      {"a{2}+", "quantifier"},
      {"a{2}?", "quantifier"},
      {"[[a]b]", "class"},
      {"[a&&b]", "class"},
      {"[a", "never closed"},
      {"[]", "empty class"},
      {"[^]", "empty class"},
      {R"([\s-z])", "range"},
      {"[a-c-e]", "\"-\""},
      {"(?<n>a)", "group"},
      {"(?m:a)", "group"},
      {"a}", "\"}\""},
      {"a]", "\"]\""},
      {"\\", "lone"},
      {"", "0 bytes"},
  };
  for (const auto& [pattern, complaint] : patterns) {
    const auto translated = TranslatePattern(pattern);
    ASSERT_FALSE(translated.ok()) << pattern;
    EXPECT_EQ(translated.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(translated.status().message()), HasSubstr(complaint)) << pattern;
  }
  EXPECT_FALSE(TranslatePattern(std::string(5000, 'a')).ok());
}

absl::StatusOr<SplitPattern> Regex(const std::string& pattern) {
  const nlohmann::json json = {{"type", "Split"},
                               {"pattern", {{"Regex", pattern}}},
                               {"behavior", "Isolated"},
                               {"invert", false}};
  return SplitPattern::FromJson(JsonNode(&json, "pre_tokenizer"));
}

TEST(SplitPatternTest, RefusesAPatternThatDoesNotCompile) {
  EXPECT_THAT(std::string(Regex("(a").status().message()), HasSubstr("\"(a\""));
  EXPECT_FALSE(Regex("(?<=a+)b").ok());
}

// Also those that ICU does not know yet.
TEST(SplitPatternTest, MatchesTheCharactersThatTheReferenceMatches) {
  const nlohmann::json golden = ReadGolden("classes.json");
  std::string text;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c < 0xD800 || c > 0xDFFF) AppendUtf8(c, &text);
  }
  for (const auto& [name, pattern] :
       {std::pair("letter", R"(\p{L}+)"), std::pair("number", R"([\p{N}]+)"),
        std::pair("space", R"(\s+)"), std::pair("space", R"([^\S]+)")}) {
    std::vector<TextRange> pieces = {{0, text.size()}};
    ASSERT_TRUE(Regex(pattern)->Split(text, &pieces).ok());
    std::vector<std::vector<uint32_t>> matched;
    for (const TextRange& piece : pieces) {
      size_t begin = piece.begin;
      const uint32_t first = NextCodePoint(text, &begin);
      const uint32_t last = PreviousCodePoint(text, piece.end);
      matched.push_back({first, last});
    }
    std::vector<std::vector<uint32_t>> expected;
    uint32_t next = 0;  // the parts between the matches are pieces as well
    for (const auto& range : golden[name].get<std::vector<std::vector<uint32_t>>>()) {
      if (range[0] > next) expected.push_back({next, range[0] == 0xE000 ? 0xD7FF : range[0] - 1});
      expected.push_back(range);
      next = range[1] + 1;
    }
    expected.push_back({next, 0x10FFFF});
    EXPECT_EQ(matched, expected) << pattern;
  }
}

TEST(SplitPatternTest, GivesUpOnATextThatTakesTooLong) {
  const auto pattern = Regex("(?:a|a)*b");
  ASSERT_TRUE(pattern.ok()) << pattern.status();
  const std::string text(1 << 20, 'a');
  std::vector<TextRange> pieces = {{0, text.size()}};
  const absl::Status status = pattern->Split(text, &pieces);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("split pattern gave up"));
}

}  // namespace
}  // namespace scanserve::model
