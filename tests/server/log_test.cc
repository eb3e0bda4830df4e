#include "server/log.h"

#include <gtest/gtest.h>

namespace scanserve::server {
namespace {

TEST(LogTest, TextQuotesWhatWouldBreakTheLine) {
  EXPECT_EQ(FormatTextLine("call", {{"id", "a-1"}, {"ms", 2.5}, {"code", int64_t{7}}}),
            "call id=a-1 ms=2.500 code=7");
  EXPECT_EQ(FormatTextLine("call", {{"message", "two words\n\"x\""}, {"empty", ""}}),
            "call message=\"two words\\n\\\"x\\\"\" empty=\"\"");
}

TEST(LogTest, JsonKeepsNumbersAndReplacesBadUtf8) {
  EXPECT_EQ(FormatJsonLine("t", "info", "call", {{"n", int64_t{3}}, {"ok", true}, {"s", "\xFF\""}}),
            "{\"time\":\"t\",\"level\":\"info\",\"event\":\"call\",\"n\":3,\"ok\":true,"
            "\"s\":\"\xEF\xBF\xBD\\\"\"}");
}

TEST(LogTest, KnowsItsLevels) {
  EXPECT_TRUE(IsLogLevel("warning"));
  EXPECT_FALSE(IsLogLevel("loud"));
}

}  // namespace
}  // namespace scanserve::server
