#include "core/runtime/score_windows.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace scanserve::runtime {
namespace {

ScoreRequest Request(PerplexityMode mode, int64_t tokens, int64_t window,
                     int64_t stride_or_prefix) {
  ScoreRequest request;
  request.tokens.assign(static_cast<size_t>(tokens), 0);
  request.mode = mode;
  request.window_tokens = window;
  request.stride_tokens = mode == PerplexityMode::kSliding ? stride_or_prefix : 0;
  request.prefix_tokens = mode == PerplexityMode::kContinuation ? stride_or_prefix : 0;
  return request;
}

std::vector<ScoreWindow> Windows(const ScoreRequest& request) {
  std::vector<ScoreWindow> windows;
  for (auto window = NextWindow(request, std::nullopt); window.has_value();
       window = NextWindow(request, window)) {
    windows.push_back(*window);
  }
  return windows;
}

// How often each position is scored.
std::vector<int> TimesScored(const ScoreRequest& request) {
  std::vector<int> times(request.tokens.size(), 0);
  for (const ScoreWindow& window : Windows(request)) {
    // A target is predicted by the token before it, in its own window.
    EXPECT_GT(window.first_target, window.begin);
    EXPECT_LE(window.begin + window.length, static_cast<int64_t>(times.size()));
    for (int64_t i = window.first_target; i < window.begin + window.length; ++i) {
      ++times[static_cast<size_t>(i)];
    }
  }
  return times;
}

TEST(ScoreWindowsTest, OneWindowTakesTheWholeDocument) {
  for (const int64_t tokens : {1, 2, 7}) {
    const auto windows = Windows(Request(PerplexityMode::kFullWindow, tokens, 0, 0));
    ASSERT_EQ(windows.size(), 1U);
    EXPECT_EQ(windows[0].begin, 0);
    EXPECT_EQ(windows[0].length, tokens);
    EXPECT_EQ(windows[0].prompt_length, tokens);
    EXPECT_EQ(windows[0].first_target, 1);
  }
}

TEST(ScoreWindowsTest, FullWindowsStandSideBySideAndNeverScoreTheirFirstToken) {
  for (int64_t tokens = 1; tokens <= 13; ++tokens) {
    for (int64_t window = 1; window <= 14; ++window) {
      const ScoreRequest request = Request(PerplexityMode::kFullWindow, tokens, window, 0);
      const std::vector<int> times = TimesScored(request);
      for (int64_t i = 0; i < tokens; ++i) {
        EXPECT_EQ(times[static_cast<size_t>(i)], i % window == 0 ? 0 : 1);
      }
      int64_t read = 0;
      for (const ScoreWindow& each : Windows(request)) {
        EXPECT_EQ(each.begin, read);
        EXPECT_EQ(each.prompt_length, each.length);
        read += each.length;
      }
      EXPECT_EQ(read, tokens);
      EXPECT_EQ(ModelTokens(request.mode, tokens, window, 0), tokens);
    }
  }
}

TEST(ScoreWindowsTest, SlidingWindowsScoreEveryTargetOnceWithAllTheContextThereIs) {
  for (int64_t tokens = 1; tokens <= 13; ++tokens) {
    for (int64_t window = 2; window <= 14; ++window) {
      for (int64_t stride = 1; stride < window; ++stride) {
        SCOPED_TRACE(testing::Message() << tokens << " " << window << " " << stride);
        const ScoreRequest request = Request(PerplexityMode::kSliding, tokens, window, stride);
        const std::vector<int> times = TimesScored(request);
        for (size_t i = 0; i < times.size(); ++i) EXPECT_EQ(times[i], i == 0 ? 0 : 1);
        const auto windows = Windows(request);
        for (size_t w = 0; w < windows.size(); ++w) {
          EXPECT_EQ(windows[w].begin, static_cast<int64_t>(w) * stride);
          EXPECT_EQ(windows[w].prompt_length, windows[w].length);
          EXPECT_EQ(windows[w].length, std::min(window, tokens - windows[w].begin));
        }
        const auto count = static_cast<int64_t>(windows.size());
        EXPECT_EQ(ModelTokens(request.mode, tokens, window, stride),
                  tokens <= window ? tokens : count * window);
      }
    }
  }
}

TEST(ScoreWindowsTest, AStrideAsWideAsTheWindowLeavesEachFirstTokenOut) {
  const ScoreRequest request = Request(PerplexityMode::kSliding, 7, 3, 3);
  EXPECT_EQ(TimesScored(request), (std::vector<int>{0, 1, 1, 0, 1, 1, 0}));
}

TEST(ScoreWindowsTest, AContinuationIsScoredFromItsFirstTokenOn) {
  const auto windows = Windows(Request(PerplexityMode::kContinuation, 9, 0, 4));
  ASSERT_EQ(windows.size(), 1U);
  EXPECT_EQ(windows[0].begin, 0);
  EXPECT_EQ(windows[0].length, 9);
  EXPECT_EQ(windows[0].prompt_length, 4);
  EXPECT_EQ(windows[0].first_target, 4);
  EXPECT_EQ(Windows(Request(PerplexityMode::kContinuation, 5, 0, 4)).size(), 1U);
  EXPECT_TRUE(Windows(Request(PerplexityMode::kContinuation, 4, 0, 4)).empty());
  EXPECT_TRUE(Windows(Request(PerplexityMode::kContinuation, 1, 0, 4)).empty());
  EXPECT_EQ(ModelTokens(PerplexityMode::kContinuation, 9, 0, 0), 9);
}

}  // namespace
}  // namespace scanserve::runtime
