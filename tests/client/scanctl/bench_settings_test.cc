#include "client/scanctl/bench_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace scanserve::client {
namespace {

using testing::HasSubstr;

std::vector<int64_t> Drawn(const std::string& text, int count) {
  BenchRandom random(1);
  std::vector<int64_t> lengths;
  for (int i = 0; i < count; ++i) lengths.push_back(ParseBenchLength(text)->Draw(random));
  return lengths;
}

TEST(BenchLengthTest, DrawsWhatItsTextSays) {
  EXPECT_THAT(Drawn("128", 3), testing::ElementsAre(128, 128, 128));
  const auto uniform = Drawn("uniform:3:5", 100);
  EXPECT_EQ(*std::min_element(uniform.begin(), uniform.end()), 3);
  EXPECT_EQ(*std::max_element(uniform.begin(), uniform.end()), 5);
  const auto normal = Drawn("normal:2:50", 200);
  EXPECT_EQ(*std::min_element(normal.begin(), normal.end()), 1);
  EXPECT_GT(*std::max_element(normal.begin(), normal.end()), 60);
}

TEST(BenchLengthTest, IsWrittenAsItIsRead) {
  for (const char* text : {"1", "1048576", "uniform:64:512", "normal:256.5:32", "normal:8:0"}) {
    const auto length = ParseBenchLength(text);
    ASSERT_TRUE(length.ok()) << length.status();
    EXPECT_EQ(BenchLengthText(*length), text);
  }
}

TEST(BenchLengthTest, RefusesWhatIsNoLengthInWords) {
  for (const char* text :
       {"", "0", "-3", "1.5", "1048577", "many", "nan", "uniform:5", "uniform:5:4", "uniform:0:4",
        "uniform:1:2.5", "uniform:1:1048577", "normal:0:1", "normal:5:-1", "normal:5:nan",
        "uniform:1:2:3", "poisson:1:2"}) {
    const auto status = ParseBenchLength(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("write 128, uniform:LOW:HIGH"));
  }
}

TEST(BenchMixEntryTest, IsWrittenAsItIsRead) {
  for (const char* text :
       {"generate", "generate,weight=3,prompt=uniform:8:16,output=4,adapter=kjv@2,order=tour",
        "perplexity,weight=0.5,prompt=2000,window=512,adapter=none,order=identity",
        "extract,prompt=100,priority=normal"}) {
    const auto entry = ParseBenchMixEntry(text);
    ASSERT_TRUE(entry.ok()) << entry.status();
    EXPECT_EQ(BenchMixEntryText(*entry), text);
  }
}

TEST(BenchMixEntryTest, RefusesWhatIsNoEntryInWords) {
  const std::vector<std::pair<const char*, const char*>> wrong = {
      {"", "begins with generate, perplexity or extract"},
      {"score", "begins with generate, perplexity or extract"},
      {"generate,weight=0", "a number above 0"},
      {"generate,weight=inf", "a number above 0"},
      {"generate,weight", "a number above 0"},
      {"generate,prompt=none", "no number of tokens"},
      {"generate,window=5", "generate takes no \"window\""},
      {"perplexity,output=5", "perplexity takes no \"output\""},
      {"perplexity,window=0", "a number of tokens above 0"},
      {"extract,colour=red", "extract takes no \"colour\""},
      {"generate,", "generate takes no \"\""},
      {"generate,adapter=kjv@0", "kjv@0"},
      {"generate,order=x@0", "x@0"},
      {"generate,priority=high", "a priority is normal or low"},
      {"generate,priority=unspecified", "a priority is normal or low"},
  };
  for (const auto& [text, reason] : wrong) {
    const auto status = ParseBenchMixEntry(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(reason)) << text;
  }
}

}  // namespace
}  // namespace scanserve::client
