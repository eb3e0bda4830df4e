// How often each caller may call: a bucket for each, which fills at a steady rate.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace scanserve::server {

// Thread-safe. Its memory is bounded: past kMaxCallers that are not idle, the others share a
// bucket.
class RateLimiter {
 public:
  static constexpr size_t kMaxCallers = 10'000;

  // `per_second` 0 sets no limit. `burst` is at least 1.
  RateLimiter(double per_second, double burst) : per_second_(per_second), burst_(burst) {}

  // Counts a call of `caller`. RESOURCE_EXHAUSTED with the time until the next may come, which is
  // then not counted.
  absl::Status Take(absl::string_view caller, absl::Time now);

 private:
  struct Bucket {
    double calls;
    absl::Time filled;
  };

  void DropIdle(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  double Filled(const Bucket& bucket, absl::Time now) const;

  const double per_second_;
  const double burst_;
  base::Mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_ ABSL_GUARDED_BY(mutex_);
  absl::Time dropped_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace scanserve::server
