#include "server/rate_limiter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/retry_delay.h"

namespace scanserve::server {
namespace {

// Looking for idle callers takes time for each of them.
constexpr absl::Duration kBetweenDrops = absl::Seconds(1);

}  // namespace

absl::Status RateLimiter::Take(absl::string_view caller, absl::Time now) {
  if (per_second_ == 0) return absl::OkStatus();
  base::MutexLock lock(mutex_);
  auto found = buckets_.find(caller);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxCallers) DropIdle(now);
    // The empty name is that of the shared bucket.
    if (buckets_.size() >= kMaxCallers) caller = "";
    found = buckets_.try_emplace(std::string(caller), Bucket{burst_, now}).first;
  }
  Bucket& bucket = found->second;
  bucket = {Filled(bucket, now), std::max(bucket.filled, now)};
  if (bucket.calls < 1) {
    return base::WithRetryDelay(
        absl::ResourceExhaustedError(
            absl::StrCat("more than ", per_second_, " requests per second of one caller")),
        absl::Seconds((1 - bucket.calls) / per_second_));
  }
  bucket.calls -= 1;
  return absl::OkStatus();
}

void RateLimiter::DropIdle(absl::Time now) {
  if (now < dropped_ + kBetweenDrops) return;
  dropped_ = now;
  for (auto each = buckets_.begin(); each != buckets_.end();) {
    each = Filled(each->second, now) >= burst_ ? buckets_.erase(each) : std::next(each);
  }
}

double RateLimiter::Filled(const Bucket& bucket, absl::Time now) const {
  const double passed = std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled));
  return std::min(burst_, bucket.calls + passed * per_second_);
}

}  // namespace scanserve::server
