// No text is much harder than another: a prompt must not be able to hold a worker up.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

constexpr size_t kBytes = 1 << 20;

std::string Repeat(const std::string& unit) {
  std::string text;
  while (text.size() + unit.size() <= kBytes) text += unit;
  return text;
}

// Processor time, the best of three, or the first that is good enough: other programs and threads
// do not count.
double SecondsToEncode(const Tokenizer& tokenizer, const std::string& text, double good = 0) {
  double best = 1e9;
  for (int i = 0; i < 3 && best > good; ++i) {
    const std::clock_t begin = std::clock();
    EXPECT_TRUE(tokenizer.Encode(text).ok());
    best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return best;
}

struct LongRun {
  const char* what;
  const char* unit;
  double most_times;  // as long as ordinary text
};
constexpr LongRun kRuns[] = {
    {"a", "a", 4},
    {"spaces", " ", 4},
    {"U+0300", "\xCC\x80", 4},
    {"marks of two classes", "\xCC\x96\xCC\x80", 4},
    {"Hangul jamo", "\xE1\x84\x80\xE1\x85\xA1", 4},
    {"beginnings of added tokens", "<|endoftext|", 4},
    {"added tokens", "<|endoftext|>", 4},
    {"newlines", "\n", 8},
    {"equals signs", "=", 8},
};

TEST(TokenizerSpeedTest, LongRunsTakeAFewTimesAsLongAsOrdinaryText) {
  const std::string ordinary = ReadSource("tests/data/wikitext-2/wiki.test.raw").substr(0, kBytes);
  for (const std::string name : {"scanserve-6m", "gpt-neox-20b"}) {
    const auto tokenizer = LoadDocument(BaseDocument(name));
    const double seconds = SecondsToEncode(*tokenizer, ordinary);
    std::printf("%s: %.1f MB/s of ordinary text\n", name.c_str(), kBytes / 1e6 / seconds);
    for (const LongRun& run : kRuns) {
      const double limit = run.most_times * seconds;
      const double run_seconds = SecondsToEncode(*tokenizer, Repeat(run.unit), limit);
      std::printf("  %s: %.2f times\n", run.what, run_seconds / seconds);
      EXPECT_LE(run_seconds, limit) << name << ", " << run.what;
    }
  }
}

}  // namespace
}  // namespace scanserve::model
