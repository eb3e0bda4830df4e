#include "core/experiment/sample_ratio.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>
#include <vector>

namespace scanserve::experiment {
namespace {

const std::vector<double> kSsrmProbabilities = {.4, .4, .2};
const std::vector<double> kUniform = {1, 1, 1};

// ssrm_test/test_ssrm_test.py: one unit after the other.
TEST(SampleRatioTest, LikelihoodsEqualSsrmsUnitByUnit) {
  const std::vector<size_t> arms = {0, 1, 0, 1, 2};
  const std::vector<double> m1 = {-1.0986123, -2.4849066, -3.4011974, -4.4998097, -6.4457198};
  const std::vector<double> m0 = {-.9162907, -1.8325815, -2.7488722, -3.6651629, -5.2746008};
  std::vector<int64_t> counts(3);
  for (size_t i = 0; i < arms.size(); ++i) {
    ++counts[arms[i]];
    EXPECT_NEAR(LogDirichletMultinomial(counts, kUniform), m1[i], 1e-6) << i;
    EXPECT_NEAR(LogMultinomial(counts, kSsrmProbabilities), m0[i], 1e-6) << i;
  }
}

// The same file: units in groups, whose likelihoods have the coefficient of each group besides.
TEST(SampleRatioTest, LikelihoodsEqualSsrmsGroupByGroup) {
  const std::vector<std::vector<int64_t>> groups = {
      {20, 17, 9}, {18, 21, 8}, {4, 6, 4}, {18, 19, 11}};
  std::vector<int64_t> counts(3);
  double coefficients = 0;
  for (const auto& group : groups) {
    double size = 0;
    for (size_t i = 0; i < group.size(); ++i) {
      counts[i] += group[i];
      size += static_cast<double>(group[i]);
      coefficients -= std::lgamma(static_cast<double>(group[i]) + 1);
    }
    coefficients += std::lgamma(size + 1);
  }
  EXPECT_NEAR(LogDirichletMultinomial(counts, kUniform) + coefficients, -19.96484521, 1e-7);
  EXPECT_NEAR(LogMultinomial(counts, kSsrmProbabilities) + coefficients, -15.78103123, 1e-7);
}

// NumPy, AB at 100:900 where 500:500 was meant.
TEST(SampleRatioTest, SmallConcentrationsMoveAtOnce) {
  const std::vector<int64_t> counts = {100, 900};
  const double null = LogMultinomial(counts, std::vector<double>{.5, .5});
  EXPECT_NEAR(LogDirichletMultinomial(counts, std::vector<double>{5'000, 5'000}) - null, 29, .5);
  EXPECT_NEAR(LogDirichletMultinomial(counts, std::vector<double>{50, 50}) - null, 323, .5);
}

SampleRatio Filled(const std::vector<int64_t>& weights, const std::vector<int64_t>& counts) {
  return SampleRatio(weights, SampleRatio::State{.counts = counts});
}

// SciPy: chisquare([500, 600]).
TEST(SampleRatioTest, ChiSquaredIsPearsons) {
  const ChiSquared chi = Filled({1, 1}, {500, 600}).chi_squared();
  EXPECT_NEAR(chi.statistic, 9.0909, 5e-5);
  EXPECT_EQ(chi.degrees_of_freedom, 1);
  EXPECT_NEAR(chi.p, .0025688, 5e-7);
}

TEST(SampleRatioTest, DegreesOfFreedomCountArmsWithWeightOnly) {
  EXPECT_EQ(Filled({2, 0, 1, 1}, {20, 0, 10, 10}).chi_squared().degrees_of_freedom, 2);
  EXPECT_NEAR(Filled({2, 0, 1, 1}, {20, 0, 10, 10}).chi_squared().p, 1, 1e-12);
  EXPECT_EQ(Filled({1, 0}, {7, 0}).chi_squared().degrees_of_freedom, 0);
  EXPECT_EQ(Filled({1, 1}, {0, 0}).chi_squared().p, 1);
}

TEST(SampleRatioTest, WarnsBelowOnePercentAndIsInvalidBelowOnePerMille) {
  const auto state = [](double p) {
    return SampleRatio(std::vector<int64_t>{1, 1}, {.counts = {5, 5}, .min_p = p}).state();
  };
  EXPECT_EQ(state(.01), RatioState::kOk);
  EXPECT_EQ(state(.00999), RatioState::kWarning);
  EXPECT_EQ(state(.001), RatioState::kWarning);
  EXPECT_EQ(state(.000999), RatioState::kInvalid);
}

TEST(SampleRatioTest, AUnitInAnArmOfWeightZeroIsALeak) {
  SampleRatio ratio(std::vector<int64_t>{1, 0});
  ratio.Add(0);
  EXPECT_EQ(ratio.state(), RatioState::kOk);
  ratio.Add(1);
  EXPECT_EQ(ratio.state(), RatioState::kInvalid);
  EXPECT_EQ(SampleRatio(std::vector<int64_t>{1, 0}, ratio.saved()).state(), RatioState::kInvalid);
}

TEST(SampleRatioTest, RemembersTheSmallestPThoughTheRatioGetsWellAgain) {
  SampleRatio ratio(std::vector<int64_t>{1, 1});
  for (int i = 0; i < 40; ++i) ratio.Add(0);
  const double worst = ratio.min_p();
  EXPECT_LT(worst, .001);
  for (int i = 0; i < 40; ++i) ratio.Add(1);
  EXPECT_EQ(ratio.min_p(), worst);
  EXPECT_EQ(ratio.state(), RatioState::kInvalid);
}

TEST(SampleRatioTest, EvidenceIsTheRatioOfTheLikelihoods) {
  const std::vector<int64_t> weights = {3, 0, 1};
  const std::vector<double> probabilities = {.75, 0, .25};
  SampleRatio ratio(weights);
  double smallest = 1;
  for (int i = 0; i < 300; ++i) {
    ratio.Add(i % 2 == 0 ? 2 : 0);
    double mean = 0;
    for (const double kappa : SampleRatio::kConcentrations) {
      const std::vector<double> alpha = {.75 * kappa, 0, .25 * kappa};
      mean += std::exp(LogDirichletMultinomial(ratio.counts(), alpha) -
                       LogMultinomial(ratio.counts(), probabilities)) /
              SampleRatio::kConcentrations.size();
    }
    smallest = std::min(smallest, 1 / mean);
    ASSERT_NEAR(ratio.min_p(), smallest, 1e-9) << i;
  }
  EXPECT_LT(smallest, .01);
}

TEST(SampleRatioTest, GoesOnAfterARestartToTheBit) {
  const std::vector<int64_t> weights = {3, 1};
  std::mt19937_64 generator(5);
  SampleRatio straight(weights);
  SampleRatio restarted(weights);
  for (int i = 0; i < 2'000; ++i) {
    const size_t arm = generator() % 5 == 0;
    straight.Add(arm);
    restarted = SampleRatio(weights, restarted.saved());
    restarted.Add(arm);
    ASSERT_EQ(straight.min_p(), restarted.min_p()) << i;
  }
}

// How often a ratio is called wrong in 1,000 experiments of 2,000 units, looked at after each, and
// how soon one that is wrong is found.
TEST(SampleRatioTest, CallsFewRightRatiosWrongAndFindsAWrongOne) {
  int warned = 0;
  int invalid = 0;
  for (uint64_t run = 0; run < 1'000; ++run) {
    std::mt19937_64 generator(run);
    SampleRatio ratio(std::vector<int64_t>{9, 1});
    for (int i = 0; i < 2'000; ++i) ratio.Add(generator() % 10 == 0);
    warned += ratio.state() != RatioState::kOk;
    invalid += ratio.state() == RatioState::kInvalid;
  }
  std::mt19937_64 generator(1);
  SampleRatio lost(std::vector<int64_t>{1, 1});
  while (lost.state() != RatioState::kInvalid && lost.units() < 10'000) {
    lost.Add(generator() % 100 < 45);
  }
  std::cout << "right ratios: " << warned << " of 1,000 warned, " << invalid
            << " invalid; 55:45 instead of 1:1 is found after " << lost.units() << " units\n";
  EXPECT_LE(warned, 17);  // .01 + 2.33 standard errors
  EXPECT_LE(invalid, 4);
  EXPECT_LT(lost.units(), 5'000);
}

}  // namespace
}  // namespace scanserve::experiment
