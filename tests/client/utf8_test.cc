#include "client/utf8.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

TEST(Utf8Test, DecodesEachLength) {
  EXPECT_EQ(DecodeUtf8("a").code_point, U'a');
  EXPECT_EQ(DecodeUtf8("\xC3\xA9").code_point, 0xE9);
  EXPECT_EQ(DecodeUtf8("\xE2\x82\xAC").code_point, 0x20AC);
  EXPECT_EQ(DecodeUtf8("\xF0\x9F\x98\x80").code_point, 0x1F600);
  EXPECT_EQ(DecodeUtf8("\xF0\x9F\x98\x80x").bytes, 4);
}

TEST(Utf8Test, RefusesWhatIsNotUtf8) {
  for (const char* text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x80\x80", "\xED\xA0\x80",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(DecodeUtf8(text).valid) << text;
    EXPECT_EQ(DecodeUtf8(text).bytes, 1);
  }
}

TEST(Utf8Test, KnowsTheSpacesThatPythonStrips) {
  // [c for c in range(0x110000) if chr(c).isspace()], Python 3.11.
  const std::u32string spaces =
      U"\x09\x0A\x0B\x0C\x0D\x1C\x1D\x1E\x1F\x20\x85\xA0\x1680\x2000\x2001\x2002\x2003\x2004"
      U"\x2005\x2006\x2007\x2008\x2009\x200A\x2028\x2029\x202F\x205F\x3000";
  for (char32_t character = 0; character < 0x110000; ++character) {
    const bool expected = spaces.find(character) != std::u32string::npos;
    ASSERT_EQ(IsPythonSpace(character), expected) << static_cast<uint32_t>(character);
  }
}

}  // namespace
}  // namespace scanserve::client
