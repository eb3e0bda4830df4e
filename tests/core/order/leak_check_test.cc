#include "core/order/leak_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/core/order/read_set.h"

namespace scanserve::order {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr auto kLeaked = TargetClass::kLeaked;
constexpr auto kLookahead = TargetClass::kLookahead;
constexpr auto kCausal = TargetClass::kCausal;
constexpr int64_t kAllTrials = 1'000'000;

// A setting and the read set of each position under it: a model whose row changes exactly when a
// token that its position has read is replaced.
struct Reader {
  std::vector<std::set<int>> read;
  std::vector<TargetClass> classes;

  Reader(const std::vector<int32_t>& order, const std::vector<int>& targets, int num_layers)
      : classes(ClassifyTargets(order, targets, num_layers)) {
    for (int i = 0; i < static_cast<int>(order.size()); ++i) {
      read.push_back(ReadSet(i, order, targets, num_layers));
    }
  }

  std::vector<bool> Changed(const LeakTrial& trial) const {
    std::vector<bool> changed;
    for (int i = 0; i <= trial.begin; ++i) {
      const std::set<int>& its = read[static_cast<size_t>(i)];
      const auto first = its.lower_bound(trial.begin);
      changed.push_back(first != its.end() && *first < trial.end);
    }
    return changed;
  }

  LeakCheck Run(const std::vector<TargetClass>& stated, uint64_t seed, int64_t max_trials) const {
    LeakCheck check(stated, seed, max_trials);
    for (const LeakTrial& trial : check.trials()) check.Add(trial, Changed(trial));
    return check;
  }
};

Reader RandomReader(std::mt19937& random) {
  std::vector<int32_t> order(2 + random() % 14);
  std::iota(order.begin(), order.end(), 0);
  for (unsigned swaps = random() % 8; swaps > 0; --swaps) {
    std::swap(order[random() % order.size()], order[random() % order.size()]);
  }
  const int num_layers = 1 + static_cast<int>(random() % 5);
  std::vector<int> targets;
  for (int layer = 0; layer < num_layers; ++layer) {
    if (random() % 2 == 0) targets.push_back(layer);
  }
  return Reader(order, targets, num_layers);
}

std::string Text(const std::vector<TargetClass>& classes) {
  std::string text;
  for (const TargetClass each : classes) text += "LAC"[static_cast<size_t>(each)];
  return text;
}

TEST(LeakCheckTest, TriesEachPlaceOnceWhereThereIsRoom) {
  const LeakCheck check({kLeaked, kLookahead, kCausal, kCausal}, 7, kAllTrials);
  std::vector<LeakTrial> trials = check.trials();
  std::ranges::sort(trials, {},
                    [](const LeakTrial& each) { return std::pair(each.begin, each.end); });
  EXPECT_THAT(trials, ElementsAre(LeakTrial{1, 2}, LeakTrial{2, 3}, LeakTrial{2, 5},
                                  LeakTrial{3, 5}, LeakTrial{4, 5}));
}

TEST(LeakCheckTest, TriesEveryClassBeforeItTriesOneAgain) {
  std::vector<TargetClass> classes(30, kCausal);
  classes[11] = kLeaked;
  classes[20] = kLookahead;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const LeakCheck three(classes, seed, 3);
    EXPECT_THAT(three.trials(),
                ElementsAre(LeakTrial{12, 13}, LeakTrial{21, 31}, LeakTrial{30, 31}));
    EXPECT_THAT(LeakCheck(classes, seed, 12).trials(), SizeIs(12));
  }
  EXPECT_NE(LeakCheck(classes, 1, 12).trials(), LeakCheck(classes, 2, 12).trials());
  EXPECT_EQ(LeakCheck(classes, 1, 12).trials(), LeakCheck(classes, 1, 12).trials());
  EXPECT_THAT(LeakCheck(classes, 1, 0).trials(), SizeIs(0));
}

TEST(LeakCheckTest, ConfirmsRightClassesOfRandomOrdersAndSubsets) {
  std::mt19937 random(77);
  for (int round = 0; round < 300; ++round) {
    const Reader reader = RandomReader(random);
    const LeakCheck check = reader.Run(reader.classes, random(), kAllTrials);
    EXPECT_EQ(check.verdict(), LeakVerdict::kConfirmed) << Text(reader.classes);
    for (const TargetClass each : {kLeaked, kLookahead, kCausal}) {
      EXPECT_EQ(check.of(each).targets, std::ranges::count(reader.classes, each));
      EXPECT_EQ(check.of(each).unread_rows_changed, 0);
      EXPECT_EQ(check.of(each).read_rows_changed, check.of(each).read_rows);
    }
  }
}

TEST(LeakCheckTest, FindsEverySingleClassThatIsStatedTooWell) {
  std::mt19937 random(78);
  int found = 0;
  for (int round = 0; round < 300; ++round) {
    const Reader reader = RandomReader(random);
    for (size_t i = 0; i < reader.classes.size(); ++i) {
      std::vector<std::pair<TargetClass, TargetClass>> lies = {{kLeaked, kCausal},
                                                               {kLookahead, kCausal}};
      // Of the last target nothing can be lookahead.
      if (i + 1 < reader.classes.size()) lies.push_back({kLeaked, kLookahead});
      for (const auto& [truth, lie] : lies) {
        if (reader.classes[i] != truth) continue;
        std::vector<TargetClass> stated = reader.classes;
        stated[i] = lie;
        const LeakCheck check = reader.Run(stated, random(), kAllTrials);
        EXPECT_EQ(check.verdict(), LeakVerdict::kContradicted) << Text(stated);
        ASSERT_TRUE(check.contradiction().has_value());
        EXPECT_EQ(check.contradiction()->position, static_cast<int32_t>(i));
        ++found;
      }
    }
  }
  EXPECT_GT(found, 500);
}

TEST(LeakCheckTest, ShowsNothingWhereNoLeakIsSeen) {
  const Reader natural({0, 1, 2, 3, 4}, {}, 2);
  const std::vector<TargetClass> stated(4, kLeaked);
  EXPECT_EQ(natural.Run(stated, 1, kAllTrials).verdict(), LeakVerdict::kInconclusive);
  EXPECT_EQ(natural.Run(natural.classes, 1, kAllTrials).verdict(), LeakVerdict::kConfirmed);
  EXPECT_EQ(natural.Run(natural.classes, 1, 0).verdict(), LeakVerdict::kCounted);
}

TEST(LeakCheckTest, ShowsNothingWhereTheReplacedTokensDidNotReachTheModel) {
  LeakCheck check({kCausal, kCausal}, 1, kAllTrials);
  for (const LeakTrial& trial : check.trials()) {
    check.Add(trial, std::vector<bool>(static_cast<size_t>(trial.begin) + 1));
  }
  EXPECT_EQ(check.verdict(), LeakVerdict::kInconclusive);
}

TEST(LeakCheckTest, ReplacesExactlyTheTokensOfTheTrial) {
  const std::vector<int32_t> tokens = {0, 1, 2, 0, 1, 2};
  std::set<std::vector<int32_t>> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<int32_t> replaced = ReplacedTokens(tokens, {2, 5}, 3, seed);
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_EQ(replaced[i] != tokens[i], i >= 2 && i < 5);
      EXPECT_TRUE(replaced[i] >= 0 && replaced[i] < 3);
    }
    seen.insert(replaced);
  }
  EXPECT_THAT(seen, SizeIs(8)) << "every other id is taken";
  EXPECT_THAT(ReplacedTokens({{0, 1}}, {0, 1}, 2, 3), ElementsAre(1, 1));
}

}  // namespace
}  // namespace scanserve::order
