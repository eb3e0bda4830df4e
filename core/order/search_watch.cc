#include "core/order/search_watch.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace scanserve::order {
namespace {

constexpr absl::Duration kBetweenProgress = absl::Milliseconds(200);
// A point for less would not be seen in a plot.
constexpr double kVisibleShare = 2e-4;

}  // namespace

SearchWatch::SearchWatch(absl::Duration time_limit, int64_t iterations, double length,
                         Progress progress)
    : begin_(absl::Now()),
      deadline_(begin_ + time_limit),
      limit_(iterations > 0 ? iterations : std::numeric_limits<int64_t>::max()),
      progress_(std::move(progress)),
      next_progress_(begin_),
      latest_{.elapsed = absl::ZeroDuration(), .length = length},
      history_{latest_} {}

int64_t SearchWatch::Allowed(int64_t wanted) const {
  return std::min(wanted, limit_ - iterations_);
}

void SearchWatch::Report(int64_t iterations_done, double length) {
  iterations_ += iterations_done;
  const absl::Time now = absl::Now();
  if (length < latest_.length) latest_ = {.elapsed = now - begin_, .length = length};
  if (latest_.length < history_.back().length * (1 - kVisibleShare)) history_.push_back(latest_);
  if (!progress_ || now < next_progress_) return;
  next_progress_ = now + kBetweenProgress;
  if (!progress_(now - begin_, iterations_, latest_.length)) stopped_ = true;
}

std::vector<TourPoint> SearchWatch::TakeHistory() {
  if (latest_.length < history_.back().length) history_.push_back(latest_);
  return std::move(history_);
}

}  // namespace scanserve::order
