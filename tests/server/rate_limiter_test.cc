#include "server/rate_limiter.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/base/retry_delay.h"

namespace scanserve::server {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

TEST(RateLimiterTest, LetsABurstThroughThenTheRate) {
  RateLimiter limiter(2, 3);
  for (int call = 0; call < 3; ++call) EXPECT_TRUE(limiter.Take("a", kStart).ok());
  const absl::Status refused = limiter.Take("a", kStart);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(base::RetryDelay(refused), absl::Milliseconds(500));
  EXPECT_TRUE(limiter.Take("b", kStart).ok());
  EXPECT_TRUE(limiter.Take("a", kStart + absl::Milliseconds(500)).ok());
  EXPECT_FALSE(limiter.Take("a", kStart + absl::Milliseconds(999)).ok());
  EXPECT_TRUE(limiter.Take("a", kStart + absl::Milliseconds(1000)).ok());
}

TEST(RateLimiterTest, SavesUpNoMoreThanABurstAndBearsAClockThatGoesBack) {
  RateLimiter limiter(1, 2);
  for (int call = 0; call < 2; ++call) EXPECT_TRUE(limiter.Take("a", kStart).ok());
  EXPECT_FALSE(limiter.Take("a", kStart - absl::Hours(1)).ok());
  const absl::Time later = kStart + absl::Hours(1);
  for (int call = 0; call < 2; ++call) EXPECT_TRUE(limiter.Take("a", later).ok());
  EXPECT_FALSE(limiter.Take("a", later).ok());
}

TEST(RateLimiterTest, WithoutARateTakesEverything) {
  RateLimiter limiter(0, 1);
  for (int call = 0; call < 100; ++call) EXPECT_TRUE(limiter.Take("a", kStart).ok());
}

TEST(RateLimiterTest, ManyCallersShareABucketUntilOthersAreIdle) {
  RateLimiter limiter(1, 1);
  for (size_t caller = 0; caller < RateLimiter::kMaxCallers; ++caller) {
    ASSERT_TRUE(limiter.Take(absl::StrCat("caller", caller), kStart).ok());
  }
  EXPECT_TRUE(limiter.Take("one more", kStart).ok());
  EXPECT_FALSE(limiter.Take("and another", kStart).ok());
  const absl::Time later = kStart + absl::Seconds(2);
  EXPECT_TRUE(limiter.Take("one more", later).ok());
  EXPECT_TRUE(limiter.Take("and another", later).ok());
}

}  // namespace
}  // namespace scanserve::server
