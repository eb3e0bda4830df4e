// Watches one search for a shorter tour: when it has to end, and how its tour became shorter.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace scanserve::order {

// The tour had this length from then on.
struct TourPoint {
  absl::Duration elapsed;
  double length = 0;
};

// Report belongs to one thread; Expired may be asked on any.
class SearchWatch {
 public:
  using Progress = std::function<bool(absl::Duration elapsed, int64_t iterations, double length)>;

  // `iterations` 0 is no limit. `progress` may be empty; false from it ends the search.
  SearchWatch(absl::Duration time_limit, int64_t iterations, double length, Progress progress);

  absl::Duration elapsed() const { return absl::Now() - begin_; }
  bool Expired() const { return absl::Now() >= deadline_; }
  // How many more may be done, at most `wanted`.
  int64_t Allowed(int64_t wanted) const;

  // `length` never grows from one call to the next. Calls `progress` some times a second.
  void Report(int64_t iterations_done, double length);

  // False once the search has to end.
  bool GoOn() const { return !stopped_ && !Expired() && Allowed(1) > 0; }

  int64_t iterations() const { return iterations_; }
  // A point for each time that the tour became shorter by a visible share, and the last one.
  std::vector<TourPoint> TakeHistory();

 private:
  const absl::Time begin_;
  const absl::Time deadline_;
  const int64_t limit_;
  const Progress progress_;
  absl::Time next_progress_;
  int64_t iterations_ = 0;
  bool stopped_ = false;
  TourPoint latest_;
  std::vector<TourPoint> history_;
};

}  // namespace scanserve::order
