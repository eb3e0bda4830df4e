#include "core/compare/confidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace scanserve::compare {
namespace {

// SciPy 1.17: scipy.stats.t.ppf(.975, df). Older versions, and tests that quote them, are off from
// the 11th digit on: with one degree of freedom the quantile is tan(.475 pi).
TEST(ConfidenceTest, FixedRadiusIsTheQuantileOfStudentsT) {
  EXPECT_NEAR(FixedRadius(2, .05), std::tan(.475 * M_PI), 1e-12);
  EXPECT_NEAR(FixedRadius(5, .05), 2.7764451051977934, 1e-14);
  EXPECT_NEAR(FixedRadius(10, .05), 2.262157162798205, 1e-14);
  EXPECT_NEAR(FixedRadius(31, .05), 2.0422724563012378, 1e-14);
}

// GrowthBook's sequential_rho and drconfseq's usual approximation: rho^2 .0793615 for 100 clusters;
// confseq's test: rho 12.60056.
TEST(ConfidenceTest, MixtureScaleIsOneNumberOfSeveralLibraries) {
  EXPECT_NEAR(1 / MixtureScale(.05, 100), .0793615, 5e-8);
  EXPECT_NEAR(MixtureScale(.05, 100), 12.60056, 5e-5);
}

// confseq test/uniform_boundaries_unittest.cpp: variance 100, tuned to 100, boundary of the sum
// 30.35209.
TEST(ConfidenceTest, NormalRadiusIsTheBoundaryOfTheNormalMixture) {
  EXPECT_NEAR(AnytimeNormalRadius(100, .05, MixtureScale(.05, 100)) * 10, 30.35209, 2e-5);
}

struct Arm {
  double n;
  double mean;
  double variance_of_mean;
};

Arm MeanOf(double n, double sum, double squares) {
  return {n, sum / n, (squares - sum * sum / n) / (n - 1) / n};
}

Arm ShareOf(double n, double count) {
  const double share = count / n;
  return {n, share, share * (1 - share) / n};
}

// The interval of (B - A) / A by the delta method, at the radius of both arms' units together.
void ExpectRelativeInterval(const Arm& a, const Arm& b, double tuned, double low, double high) {
  const double relative = b.mean / a.mean - 1;
  const double error =
      std::sqrt(b.variance_of_mean + std::pow(b.mean / a.mean, 2) * a.variance_of_mean) / a.mean;
  const double radius =
      AnytimeNormalRadius(static_cast<int64_t>(a.n + b.n), .05, MixtureScale(.05, tuned));
  EXPECT_NEAR(relative - radius * error, low, 1e-5);
  EXPECT_NEAR(relative + radius * error, high, 1e-5);
}

// GrowthBook packages/stats/tests/frequentist/test_tests.py.
TEST(ConfidenceTest, NormalRadiusGivesGrowthBooksSequentialIntervals) {
  ExpectRelativeInterval(MeanOf(3000, 1396.87, 52377.9767), MeanOf(3461, 2422.7, 134698.29), 1000,
                         -.55844, 1.56516);
  ExpectRelativeInterval(ShareOf(3000, 1396), ShareOf(3461, 2422), 5000, .40098, .60675);
}

// The same file, the t test of GrowthBook: difference .29, interval .04538 to .53462.
TEST(ConfidenceTest, FixedRadiusGivesGrowthBooksTTest) {
  const Arm a = MeanOf(3407, 1396.87, 52377.9767);
  const Arm b = MeanOf(3461, 2422.7, 134698.29);
  const double error = std::sqrt(a.variance_of_mean + b.variance_of_mean);
  // Welch's degrees of freedom.
  const double freedom = std::pow(error, 4) / (std::pow(a.variance_of_mean, 2) / (a.n - 1) +
                                               std::pow(b.variance_of_mean, 2) / (b.n - 1));
  const double half = FixedRadius(static_cast<int64_t>(freedom) + 1, .05) * error;
  EXPECT_NEAR(b.mean - a.mean, .29, 5e-6);
  EXPECT_NEAR(b.mean - a.mean - half, .04538, 1e-5);
  EXPECT_NEAR(b.mean - a.mean + half, .53462, 1e-5);
}

// confseq test/uniform_boundaries_unittest.cpp: variance 100, tuned to 100, one-sided boundary of
// the sum 27.66071.
TEST(ConfidenceTest, OneSidedRadiusIsTheBoundaryOfTheOneSidedMixture) {
  EXPECT_NEAR(AnytimeOneSidedRadius(100, .05, MixtureScale(.1, 100)) * 10, 27.66071, 1e-5);
}

TEST(ConfidenceTest, OneSidedRadiusIsBelowTheOneOfBothSides) {
  for (const int64_t n : {2, 10, 100, 1'000, 1'000'000}) {
    EXPECT_LT(AnytimeOneSidedRadius(n, .05, MixtureScale(.1, 100)),
              AnytimeNormalRadius(n, .05, MixtureScale(.05, 100)))
        << n;
    EXPECT_GT(AnytimeOneSidedRadius(n, .05, MixtureScale(.1, 100)), 1.6448) << n;
  }
}

// NumPy, formula of t_radius in avlm R/e_variables.R.
TEST(ConfidenceTest, AnytimeRadiusEqualsAvlmTunedToAHundred) {
  const double scale = MixtureScale(.05, 100);
  const std::vector<std::pair<int64_t, double>> cases = {
      {20, 4.1714},  {30, 3.5536},  {50, 3.2399},  {62, 3.1738},
      {100, 3.0995}, {200, 3.0922}, {500, 3.1660}, {1000, 3.2487}};
  for (const auto& [n, radius] : cases) {
    EXPECT_NEAR(AnytimeRadius(n, .05, scale), radius, 5e-5) << n;
  }
}

TEST(ConfidenceTest, AnytimeRadiusEqualsAvlmTunedToFifty) {
  const double scale = MixtureScale(.05, 50);
  const std::vector<std::pair<int64_t, double>> cases = {
      {10, 6.3151}, {20, 3.6158}, {30, 3.3187}, {50, 3.1676}, {100, 3.1236}, {500, 3.2558}};
  for (const auto& [n, radius] : cases) {
    EXPECT_NEAR(AnytimeRadius(n, .05, scale), radius, 5e-5) << n;
  }
}

TEST(ConfidenceTest, AnytimeRadiusIsInfiniteForAFewClustersAndNearsTheNormalOne) {
  const double scale = MixtureScale(.05, 100);
  for (int64_t n = 1; n <= 8; ++n) EXPECT_TRUE(std::isinf(AnytimeRadius(n, .05, scale))) << n;
  EXPECT_FALSE(std::isinf(AnytimeRadius(20, .05, scale)));
  EXPECT_NEAR(AnytimeRadius(50, .05, scale) / AnytimeNormalRadius(50, .05, scale), 1.05, .002);
  EXPECT_NEAR(AnytimeRadius(1'000'000, .05, scale) / AnytimeNormalRadius(1'000'000, .05, scale), 1,
              1e-4);
}

// GrowthBook's p-value that holds at any time, 1/e with
// e = exp(rho^2 S / (2 (n rho^2 + 1))) / sqrt(n rho^2 + 1), S = n (R/se)^2, belongs to the normal
// radius: it is alpha where the interval's end is 0.
TEST(ConfidenceTest, NormalRadiusIsWhereTheAnytimePValueIsAlpha) {
  for (const double alpha : {.01, .05, .2}) {
    for (const double n : {50., 300., 5000.}) {
      const double scale = MixtureScale(alpha, 100);
      const double radius = AnytimeNormalRadius(static_cast<int64_t>(n), alpha, scale);
      const double grown = n / scale + 1;
      const double e = std::exp(n * radius * radius / scale / (2 * grown)) / std::sqrt(grown);
      EXPECT_NEAR(1 / e, alpha, 1e-12);
    }
  }
}

// NumPy: t interval [-.01155975, .02155975], hull [-.01536619, .02155975].
TEST(ConfidenceTest, HullIsTheSymmetricIntervalJoinedWithTheSkewedOne) {
  const RatioEstimate estimate = EstimateRatio(
      {{{1, 100, 0}, {-2, 200, 0}, {3, 150, 0}, {.5, 50, 0}, {-1, 120, 0}, {2.5, 180, 0}}});
  const Interval hull = HullInterval(estimate, FixedRadius(6, .05));
  EXPECT_NEAR(hull.low, -.01536619, 1e-8);
  EXPECT_NEAR(hull.high, .02155975, 1e-8);
}

TEST(ConfidenceTest, HullIsSymmetricWithoutSkewnessAndMirroredByTheSign) {
  const RatioEstimate even = EstimateRatio({{{1, 1, 0}, {2, 1, 0}, {3, 1, 0}}});
  const Interval interval = HullInterval(even, 2);
  EXPECT_DOUBLE_EQ(interval.low + interval.high, 4);
  const Interval skewed = HullInterval(EstimateRatio({{{0, 1, 0}, {0, 1, 0}, {3, 1, 0}}}), 2);
  const Interval mirrored = HullInterval(EstimateRatio({{{0, 1, 0}, {0, 1, 0}, {-3, 1, 0}}}), 2);
  EXPECT_DOUBLE_EQ(skewed.high, -mirrored.low);
  EXPECT_DOUBLE_EQ(skewed.low, -mirrored.high);
  EXPECT_GT(skewed.high - 1, 1 - skewed.low);
}

TEST(ConfidenceTest, NothingIsBoundedByAnInfiniteRadiusOrOneCluster) {
  const RatioEstimate one = EstimateRatio({{{1, 1, 0}}});
  EXPECT_FALSE(HullInterval(one, 2).bounded());
  const RatioEstimate three = EstimateRatio({{{1, 1, 0}, {2, 1, 0}, {3, 1, 0}}});
  EXPECT_FALSE(HullInterval(three, std::numeric_limits<double>::infinity()).bounded());
  EXPECT_TRUE(HullInterval(three, 2).bounded());
}

}  // namespace
}  // namespace scanserve::compare
