#include "server/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/model/tokenizer/utf8.h"
#include "nlohmann/json.hpp"

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
            "\"s\":\"\\ufffd\\\"\"}");
}

TEST(LogTest, CutsATextOfOthersAndNoneOfOurOwn) {
  const std::string fits(64, 'a');
  EXPECT_EQ(LoggedText(fits), fits);
  EXPECT_EQ(LoggedText(fits + "b"), std::string(62, 'a') + "..");
  EXPECT_EQ(LoggedText(std::string(1 << 20, 'a')), std::string(62, 'a') + "..");
  EXPECT_EQ(LoggedText("abcdef", 5), "abc..");
  EXPECT_EQ(LoggedText(std::string(61, 'a') + "\u00e9\u00e9"), std::string(61, 'a') + "..")
      << "at a character";
  EXPECT_EQ(LoggedText(std::string(30, '\xFF')).size(), 3u * 20 + 2) << "of what is shown";
  EXPECT_EQ(LogField("name", fits + "b").value.size(), 64u);
  EXPECT_EQ(LogField("name", (fits + "b").c_str()).value.size(), 64u);
  EXPECT_EQ(LogField("name", absl::string_view(fits + "b")).value.size(), 64u);
  EXPECT_EQ(LogField::Whole("message", fits + "b").value, fits + "b");
}

// Anything at all, and often what lines, quotes and UTF-8 are made of.
std::string RandomText(std::mt19937& random) {
  constexpr absl::string_view kTelling =
      "\n\r\t\"\\={}\x00\x1B\x7F\xC2\x85\xE2\x80\xA8\xF0\x9F\xED\xA0";
  std::string text(random() % 200, '\0');
  const bool telling = random() % 2 == 0;
  for (char& c : text) {
    c = telling ? kTelling[random() % kTelling.size()] : static_cast<char>(random());
  }
  return text;
}

bool IsPlainAscii(absl::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

TEST(LogTest, MakesOneLineOfAnyTextAndLosesNothingThatIsShown) {
  std::mt19937 random(20'261'126);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = RandomText(random);
    const std::string shown = LoggedText(text);
    ASSERT_LE(shown.size(), kMaxLoggedBytes);
    ASSERT_FALSE(model::FindInvalidUtf8(shown).has_value());
    const std::vector<LogField> fields = {{"name", text}, LogField::Whole("message", text)};
    const std::string json = FormatJsonLine("t", "info", "call", fields);
    ASSERT_TRUE(IsPlainAscii(json));
    const auto parsed = nlohmann::json::parse(json);
    ASSERT_EQ(parsed.at("name"), shown);
    ASSERT_EQ(parsed.at("message"), model::ReplaceInvalidUtf8(text));
    const std::string line = FormatTextLine("call", {{"name", text}});
    ASSERT_TRUE(IsPlainAscii(line));
    absl::string_view value = line;
    ASSERT_TRUE(absl::ConsumePrefix(&value, "call name="));
    if (value.front() == '"') {
      ASSERT_EQ(nlohmann::json::parse(value.begin(), value.end()), shown);
    } else {
      ASSERT_EQ(value, shown);
      ASSERT_EQ(value.find_first_of(" =\""), value.npos);
    }
  }
}

// Standard error as a pipe that nobody reads until Drain.
class UnreadStandardError {
 public:
  UnreadStandardError() : saved_(::dup(STDERR_FILENO)) {
    EXPECT_EQ(::pipe(ends_), 0);
    EXPECT_EQ(::dup2(ends_[1], STDERR_FILENO), STDERR_FILENO);
  }
  // All that is written until `end` has returned.
  std::string Drain(const std::function<void()>& end) {
    std::string text;
    std::thread reader([this, &text] {
      char bytes[4096];
      ssize_t count = 0;
      while ((count = ::read(ends_[0], bytes, sizeof bytes)) > 0) text.append(bytes, count);
    });
    end();
    EXPECT_EQ(::dup2(saved_, STDERR_FILENO), STDERR_FILENO);
    ::close(ends_[1]);
    reader.join();
    ::close(ends_[0]);
    ::close(saved_);
    return text;
  }

 private:
  const int saved_;
  int ends_[2] = {-1, -1};
};

TEST(LogTest, DropsTheOldestLinesRatherThanWaitForAReader) {
  constexpr int64_t kLines = 30'000;
  UnreadStandardError unread;
  StartLog({});
  for (int64_t i = 0; i < kLines; ++i) LogInfo("counted", {{"n", i}});
  const int64_t dropped = LogLinesDropped();
  const std::string text = unread.Drain(&StopLog);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_EQ(static_cast<int64_t>(lines.size()) + dropped, kLines);
  // The pipe holds some before the queue fills.
  EXPECT_GT(dropped, kLines / 2);
  EXPECT_TRUE(absl::EndsWith(lines.back(), " counted n=29999"));
}

TEST(LogTest, KnowsItsLevels) {
  EXPECT_TRUE(IsLogLevel("warning"));
  EXPECT_FALSE(IsLogLevel("loud"));
}

}  // namespace
}  // namespace scanserve::server
