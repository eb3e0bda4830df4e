// Whether counts of draws follow a distribution, by Pearson's chi-squared test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace scanserve::runtime {

// Fails when a token of probability 0 was drawn, and when the statistic is beyond four standard
// deviations above its mean. Tokens that are expected fewer than 8 times are taken together.
inline void ExpectCountsFollow(const std::vector<int64_t>& counts,
                               const std::vector<double>& probabilities) {
  constexpr double kFewest = 8;
  ASSERT_EQ(counts.size(), probabilities.size());
  const auto draws = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  double statistic = 0;
  int classes = 0;
  const auto add = [&](double count, double mean) {
    statistic += (count - mean) * (count - mean) / mean;
    ++classes;
  };
  double rare_count = 0, rare_mean = 0;
  for (size_t token = 0; token < counts.size(); ++token) {
    const double mean = probabilities[token] * draws;
    if (mean == 0) {
      EXPECT_EQ(counts[token], 0) << "token " << token << " was to be cut away";
    } else if (mean < kFewest) {
      rare_count += static_cast<double>(counts[token]);
      rare_mean += mean;
    } else {
      add(static_cast<double>(counts[token]), mean);
    }
  }
  if (rare_mean > 0) add(rare_count, std::max(rare_mean, 1.0));
  const double degrees = classes - 1;
  EXPECT_LE(statistic, degrees + 4 * std::sqrt(2 * degrees)) << classes << " classes";
}

}  // namespace scanserve::runtime
