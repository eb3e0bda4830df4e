#include "core/model/tokenizer/utf8.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

TEST(Utf8Test, ReplacesInvalidBytesAsPythonDoes) {
  const nlohmann::json golden = ReadGolden("decodings.json");
  for (const nlohmann::json& expected : golden["replacements"]) {
    const std::string hex = expected["hex"].get<std::string>();
    EXPECT_EQ(ReplaceInvalidUtf8(absl::HexStringToBytes(hex)), expected["text"].get<std::string>())
        << hex;
  }
}

TEST(Utf8Test, FindsTheFirstInvalidByte) {
  EXPECT_EQ(FindInvalidUtf8(""), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("a\xC3\xA9\xF0\x9F\x98\x80"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("ab\xFF"), 2u);
  EXPECT_EQ(FindInvalidUtf8("\xC3\xA9\xC3"), 2u) << "a character that the end cuts off";
  EXPECT_EQ(FindInvalidUtf8("\xED\xA0\x80"), 0u) << "a surrogate";
  EXPECT_EQ(FindInvalidUtf8("x\xC0\x80"), 1u) << "an overlong form";
  EXPECT_EQ(FindInvalidUtf8("\xF4\x90\x80\x80"), 0u) << "past U+10FFFF";
}

TEST(Utf8Test, WritesAndReadsEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text = "\xEF\xBF\xBD";
    AppendUtf8(c, &text);
    size_t position = 3;
    ASSERT_EQ(NextCodePoint(text, &position), c);
    ASSERT_EQ(position, text.size());
    ASSERT_EQ(PreviousCodePoint(text, text.size()), c);
  }
}

TEST(Utf8Test, TellsCutOffCharactersFromBrokenOnes) {
  EXPECT_TRUE(ReadUtf8("\xF0\x9F").truncated);
  EXPECT_FALSE(ReadUtf8("\xF0\x9F!").truncated);
  EXPECT_FALSE(ReadUtf8("\xF0\x80").truncated);
}

}  // namespace
}  // namespace scanserve::model
