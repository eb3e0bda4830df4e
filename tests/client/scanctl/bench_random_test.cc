#include "client/scanctl/bench_random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace scanserve::client {
namespace {

// From https://prng.di.unimi.it/splitmix64.c, seed 1234567.
TEST(BenchRandomTest, IsSplitMix64) {
  BenchRandom random(1234567);
  for (const uint64_t expected : {6457827717110365317U, 3203168211198807973U, 9817491932198370423U,
                                  4593380528125082431U, 16408922859458223821U}) {
    EXPECT_EQ(random.Next(), expected);
  }
}

TEST(BenchRandomTest, GivesEachSeedAndStreamItsOwnNumbers) {
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    for (uint64_t stream = 0; stream < 30; ++stream)
      firsts.insert(BenchRandom(seed, stream).Next());
  }
  EXPECT_EQ(firsts.size(), 900);
}

TEST(BenchRandomTest, DrawsBothEndsOfARange) {
  BenchRandom random(3);
  std::set<int64_t> drawn;
  for (int i = 0; i < 1000; ++i) drawn.insert(random.Between(-1, 2));
  EXPECT_EQ(drawn, (std::set<int64_t>{-1, 0, 1, 2}));
}

TEST(BenchRandomTest, DrawsNormalAndExponentialNumbersOfTheirMoments) {
  BenchRandom random(5);
  constexpr int kCount = 40'000;
  double normal = 0;
  double normal_squares = 0;
  double exponential = 0;
  double exponential_squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.Normal(10, 2);
    normal += x;
    normal_squares += (x - 10) * (x - 10);
    const double y = random.Exponential(3);
    EXPECT_GE(y, 0);
    exponential += y;
    exponential_squares += (y - 3) * (y - 3);
  }
  // Within five standard errors.
  EXPECT_NEAR(normal / kCount, 10, 5 * 2 / std::sqrt(kCount));
  EXPECT_NEAR(normal_squares / kCount, 4, 5 * 4 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(exponential / kCount, 3, 5 * 3 / std::sqrt(kCount));
  EXPECT_NEAR(exponential_squares / kCount, 9, 5 * 9 * std::sqrt(8.0 / kCount));
}

}  // namespace
}  // namespace scanserve::client
