#include "client/scanorder/tour_progress.h"

#include <optional>
#include <string>

namespace scanserve::client {

std::function<bool(const order::TourProgress&)> ShowsProgress(const order::TourOptions& options,
                                                              ProgressBar& bar) {
  const int64_t iterations = options.iterations;
  const int64_t seconds = absl::ToInt64Seconds(options.time_limit);
  std::optional<order::TourMethod> shown;
  return [iterations, seconds, shown, &bar](const order::TourProgress& progress) mutable {
    if (shown != progress.method) {
      shown = progress.method;
      const std::string name(order::TourMethodName(progress.method));
      bar.Restart(name, iterations > 0 ? "iterations" : "seconds",
                  iterations > 0 ? iterations : seconds);
    }
    bar.Update(iterations > 0 ? progress.iterations : absl::ToInt64Seconds(progress.elapsed));
    return true;
  };
}

}  // namespace scanserve::client
