#include "server/convert_perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace scanserve::server {
namespace {

using testing::HasSubstr;

v1::PerplexitySettings Settings(v1::PerplexityMode mode, int64_t window = 0, int64_t stride = 0,
                                int64_t prefix = 0) {
  v1::PerplexitySettings settings;
  settings.set_mode(mode);
  settings.set_window_tokens(window);
  settings.set_stride_tokens(stride);
  settings.set_prefix_tokens(prefix);
  return settings;
}

TEST(ConvertPerplexityTest, TheWholeDocumentIsTheDefaultWindow) {
  const auto rules = ScoringRulesFromProto({}, 1000);
  ASSERT_TRUE(rules.ok());
  EXPECT_EQ(rules->mode, runtime::PerplexityMode::kFullWindow);
  EXPECT_EQ(rules->window_tokens, 0);
  EXPECT_TRUE(CheckDocumentTokens(*rules, 1000).ok());
  EXPECT_THAT(CheckDocumentTokens(*rules, 1001).message(), HasSubstr("1001 tokens"));
}

TEST(ConvertPerplexityTest, WindowsAreLimitedAndDocumentsOfWindowsAreNot) {
  const auto rules = ScoringRulesFromProto(Settings(v1::PERPLEXITY_MODE_FULL_WINDOW, 1000), 1000);
  ASSERT_TRUE(rules.ok());
  EXPECT_TRUE(CheckDocumentTokens(*rules, 5000).ok());
  EXPECT_THAT(ScoringRulesFromProto(Settings(v1::PERPLEXITY_MODE_FULL_WINDOW, 1001), 1000)
                  .status()
                  .message(),
              HasSubstr("window_tokens: 1001"));
}

TEST(ConvertPerplexityTest, SlidingHasItsDefaultsAndCountsWholeWindows) {
  const auto rules = ScoringRulesFromProto(Settings(v1::PERPLEXITY_MODE_SLIDING), 1000);
  ASSERT_TRUE(rules.ok());
  EXPECT_EQ(rules->window_tokens, 512);
  EXPECT_EQ(rules->stride_tokens, 256);
  EXPECT_EQ(ModelTokens(*rules, 512), 512);
  EXPECT_EQ(ModelTokens(*rules, 513), 1024);
}

TEST(ConvertPerplexityTest, AnEmptyDocumentIsWorkToo) {
  EXPECT_EQ(ModelTokens(*ScoringRulesFromProto({}, 1000), 0), 1);
}

TEST(ConvertPerplexityTest, RefusesByName) {
  const auto message = [](const v1::PerplexitySettings& settings) {
    return std::string(ScoringRulesFromProto(settings, 1000).status().message());
  };
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_CONTINUATION)), HasSubstr("prefix_tokens: 0"));
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_CONTINUATION, 0, 0, 1001)),
              HasSubstr("prefix_tokens: 1001"));
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_CONTINUATION, 8, 0, 4)),
              HasSubstr("window_tokens: 8, CONTINUATION has none"));
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_SLIDING, 1)), HasSubstr("window_tokens: 1"));
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_SLIDING, 8, 9)), HasSubstr("stride_tokens: 9"));
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_FULL_WINDOW, 8, 4)),
              HasSubstr("stride_tokens: 4"));
  EXPECT_THAT(message(Settings(v1::PERPLEXITY_MODE_FULL_WINDOW, -1)),
              HasSubstr("window_tokens: -1"));
  EXPECT_THAT(message(Settings(static_cast<v1::PerplexityMode>(9))), HasSubstr("mode: 9"));
}

}  // namespace
}  // namespace scanserve::server
