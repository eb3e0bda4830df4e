#include "core/experiment/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/experiment/murmur3.h"

namespace scanserve::experiment {
namespace {

constexpr int kUnits = 100'000;

Design DesignOf(std::vector<int64_t> weights, const std::string& salt = "salt") {
  Design design;
  design.id = "trial";
  design.salt = salt;
  for (size_t i = 0; i < weights.size(); ++i) {
    design.arms.push_back({absl::StrCat("arm", i), weights[i], 0});
  }
  return design;
}

std::string UnitName(int i) { return absl::StrCat("unit-", i); }

// gherkin of flagd's testbed, evaluator/gherkin/fractional.feature, rule "v2".
TEST(AssignmentTest, GivesTheArmsOfFlagd) {
  const std::vector<std::string> suits = {"clubs", "diamonds", "hearts", "spades"};
  const std::vector<int64_t> weights = {25, 25, 25, 25};
  const auto suit = [&](const std::string& key) {
    return suits[ArmOfHash(Murmur3(key, 0), weights)];
  };
  EXPECT_EQ(suit("fractional-flagjack"), "hearts");
  EXPECT_EQ(suit("fractional-flagqueen"), "spades");
  EXPECT_EQ(suit("fractional-flagten"), "clubs");
  EXPECT_EQ(suit("fractional-flagnine"), "diamonds");
  EXPECT_EQ(suit("fractional-flag3"), "clubs");
  EXPECT_EQ(suit("shared-seedseven"), "hearts");
  EXPECT_EQ(suit("shared-seedeight"), "diamonds");
  EXPECT_EQ(suit("shared-seednine"), "clubs");
  EXPECT_EQ(suit("shared-seedtwo"), "spades");
}

// The edges of the preimages, at the largest sum of weights too.
TEST(AssignmentTest, CutsTheRangeOfHashesAtTheWeights) {
  const std::vector<int64_t> halves = {1, 1};
  EXPECT_EQ(ArmOfHash(0, halves), 0u);
  EXPECT_EQ(ArmOfHash(2147483647u, halves), 0u);
  EXPECT_EQ(ArmOfHash(2147483648u, halves), 1u);
  EXPECT_EQ(ArmOfHash(4294967295u, halves), 1u);
  const std::vector<int64_t> rare = {kMostWeight - 1, 1};
  EXPECT_EQ(ArmOfHash(4294967292u, rare), 0u);
  EXPECT_EQ(ArmOfHash(4294967295u, rare), 1u);
}

TEST(AssignmentTest, GivesAnArmOfWeightZeroToNobody) {
  const std::vector<int64_t> weights = {0, 3, 0, 1, 0};
  for (uint64_t hash = 0; hash < uint64_t{1} << 32; hash += 1'000'003) {
    const size_t arm = ArmOfHash(static_cast<uint32_t>(hash), weights);
    EXPECT_TRUE(arm == 1 || arm == 3) << hash;
  }
  EXPECT_EQ(ArmOfHash(4294967295u, weights), 3u);
}

TEST(AssignmentTest, HashesIdSaltAndUnitWithTheirSeparators) {
  const Assignment assignment(DesignOf({1, 1, 1}));
  for (int i = 0; i < 100; ++i) {
    const std::string key = absl::StrCat("trial.salt:", UnitName(i));
    EXPECT_EQ(assignment.ArmOf(UnitName(i)), uint64_t{Murmur3(key, 0)} * 3 >> 32);
  }
}

TEST(AssignmentTest, SplitsAHundredThousandUnitsNineToOne) {
  const Assignment assignment(DesignOf({9, 1}));
  int in_second = 0;
  for (int i = 0; i < kUnits; ++i) in_second += assignment.ArmOf(UnitName(i)) == 1;
  const double error = std::sqrt(kUnits * .9 * .1);
  std::cout << "9:1 over " << kUnits << " units: " << in_second << " in the second arm, "
            << (in_second - kUnits * .1) / error << " standard errors off\n";
  EXPECT_NEAR(in_second, kUnits * .1, 4 * error);
}

// Of a 2 x 2 table, one degree of freedom.
double IndependenceP(const std::array<std::array<double, 2>, 2>& counts) {
  double statistic = 0;
  for (size_t a = 0; a < 2; ++a) {
    for (size_t b = 0; b < 2; ++b) {
      const double expected =
          (counts[a][0] + counts[a][1]) * (counts[0][b] + counts[1][b]) / kUnits;
      statistic += std::pow(counts[a][b] - expected, 2) / expected;
    }
  }
  return boost::math::gamma_q(.5, statistic / 2);
}

// Salts that hardly differ, and ids that do not.
TEST(AssignmentTest, IsIndependentBetweenExperiments) {
  std::vector<Assignment> assignments;
  for (int i = 0; i < 10; ++i) {
    assignments.emplace_back(DesignOf({1, 1}, absl::StrCat("s", i)));
  }
  int suspicious = 0;
  double smallest = 1;
  for (size_t a = 0; a < assignments.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      std::array<std::array<double, 2>, 2> counts{};
      for (int i = 0; i < kUnits; ++i) {
        ++counts[assignments[a].ArmOf(UnitName(i))][assignments[b].ArmOf(UnitName(i))];
      }
      const double p = IndependenceP(counts);
      smallest = std::min(smallest, p);
      suspicious += p < .01;
    }
  }
  std::cout << "45 pairs of salts: " << suspicious << " with p < .01, smallest p " << smallest
            << "\n";
  EXPECT_LE(suspicious, 3);
  EXPECT_GT(smallest, 1e-5);
}

TEST(AssignmentTest, WideningTheExposureMovesNobody) {
  Design design = DesignOf({1, 1});
  design.exposure = 500;
  const Assignment narrow(design);
  design.exposure = 2'000;
  const Assignment wide(design);
  int in_narrow = 0;
  int in_wide = 0;
  for (int i = 0; i < kUnits; ++i) {
    in_narrow += narrow.IsExposed(UnitName(i));
    in_wide += wide.IsExposed(UnitName(i));
    EXPECT_LE(narrow.IsExposed(UnitName(i)), wide.IsExposed(UnitName(i)));
    EXPECT_EQ(narrow.ArmOf(UnitName(i)), wide.ArmOf(UnitName(i)));
  }
  EXPECT_NEAR(in_narrow, kUnits * .05, 4 * std::sqrt(kUnits * .05 * .95));
  EXPECT_NEAR(in_wide, kUnits * .2, 4 * std::sqrt(kUnits * .2 * .8));
}

TEST(AssignmentTest, ExposureAndShadowsHaveHashesOfTheirOwn) {
  Design design = DesignOf({1, 1, 0});
  design.exposure = 5'000;
  design.arms[1].shadow = 5'000;
  design.arms[2].shadow = 5'000;
  const Assignment assignment(design);
  std::array<std::array<double, 2>, 2> exposed{};
  std::array<std::array<double, 2>, 2> shadowed{};
  std::array<std::array<double, 2>, 2> of_both{};
  for (int i = 0; i < kUnits; ++i) {
    ++exposed[assignment.IsExposed(UnitName(i))][assignment.ArmOf(UnitName(i))];
    ++shadowed[assignment.IsShadowed(1, UnitName(i))][assignment.ArmOf(UnitName(i))];
    ++of_both[assignment.IsShadowed(1, UnitName(i))][assignment.IsShadowed(2, UnitName(i))];
  }
  EXPECT_GT(IndependenceP(exposed), 1e-3);
  EXPECT_GT(IndependenceP(shadowed), 1e-3);
  EXPECT_GT(IndependenceP(of_both), 1e-3);
}

TEST(AssignmentTest, AllAreExposedAndNoneShadowedUnlessAskedFor) {
  const Assignment assignment(DesignOf({1, 1}));
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_TRUE(assignment.IsExposed(UnitName(i)));
    EXPECT_FALSE(assignment.IsShadowed(1, UnitName(i)));
  }
}

}  // namespace
}  // namespace scanserve::experiment
