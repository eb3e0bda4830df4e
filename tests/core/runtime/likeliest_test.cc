#include "core/runtime/likeliest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace scanserve::runtime {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// By sorting everything.
std::vector<Candidate> Reference(const std::vector<float>& logits, size_t count) {
  std::vector<Candidate> all;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > -kInfinity) all.push_back({static_cast<int32_t>(id), logits[id]});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Candidate& a, const Candidate& b) { return a.logit > b.logit; });
  all.resize(std::min(count, all.size()));
  return all;
}

void ExpectLikeliest(const std::vector<float>& logits) {
  std::vector<Candidate> found = {{7, 7.0F}};
  for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{20}, size_t{50}, size_t{300},
                             logits.size(), logits.size() + 9}) {
    FindLikeliest(logits, count, found);
    const std::vector<Candidate> expected = Reference(logits, count);
    ASSERT_EQ(found.size(), expected.size()) << count << " of " << logits.size();
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].token, expected[i].token) << i << " of " << count;
      ASSERT_EQ(found[i].logit, expected[i].logit);
    }
  }
}

TEST(FindLikeliestTest, FindsWhatSortingFindsInRowsOfAnyLengthAndOrder) {
  std::mt19937 random(3);
  for (const size_t vocabulary : {1, 15, 63, 64, 65, 130, 4096, 5001}) {
    std::vector<float> logits(vocabulary);
    std::normal_distribution<float> normal;
    for (float& logit : logits) logit = normal(random);
    ExpectLikeliest(logits);
    std::sort(logits.begin(), logits.end());
    ExpectLikeliest(logits);
    std::reverse(logits.begin(), logits.end());
    ExpectLikeliest(logits);
  }
}

TEST(FindLikeliestTest, TakesTheSmallerIdsOfATieWhereverItStands) {
  std::mt19937 random(4);
  for (const uint32_t values : {1U, 2U, 5U, 40U}) {
    std::vector<float> logits(3000);
    for (float& logit : logits) logit = static_cast<float>(random() % values);
    ExpectLikeliest(logits);
  }
}

TEST(FindLikeliestTest, PassesOverWhatIsExcludedOrNoNumber) {
  std::mt19937 random(5);
  std::vector<float> logits(1000);
  for (float& logit : logits) {
    const float values[] = {kNan, -kInfinity, static_cast<float>(random() % 100), kInfinity};
    logit = values[random() % 4];
  }
  ExpectLikeliest(logits);
  for (float& logit : logits) logit = logit == kInfinity ? kNan : logit;
  ExpectLikeliest(logits);
  ExpectLikeliest(std::vector<float>(200, -kInfinity));
  ExpectLikeliest(std::vector<float>(200, kNan));
}

}  // namespace
}  // namespace scanserve::runtime
