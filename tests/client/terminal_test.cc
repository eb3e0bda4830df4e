#include "client/terminal.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

TEST(TerminalTest, CountsColumnsAsTheyAreSeen) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("e\xCC\x81"), 1);         // e with a combining acute accent
  EXPECT_EQ(DisplayWidth("\xE6\xBC\xA2"), 2);      // a Chinese character
  EXPECT_EQ(DisplayWidth("\xF0\x9F\x98\x80"), 2);  // an emoji
  EXPECT_EQ(DisplayWidth("\xFF\xFF"), 2);          // not UTF-8
}

TEST(TerminalTest, TakesTheSteeringOutOfText) {
  EXPECT_EQ(WithoutControls("a\x1B[2Jb\tc\n"), "a\xEF\xBF\xBD[2Jb\tc\n");
  EXPECT_EQ(WithoutControls("\xC2\x9B"), "\xEF\xBF\xBD");
  EXPECT_EQ(WithoutControls("\xE6\xBC\xA2"), "\xE6\xBC\xA2");
}

TEST(TerminalTest, EscapesWhatACellCannotHold) {
  EXPECT_EQ(Escaped("a\nb\t\\\x01\xFF\xC3\xA9"), "a\\nb\\t\\\\\\x01\\xFF\xC3\xA9");
}

}  // namespace
}  // namespace scanserve::client
