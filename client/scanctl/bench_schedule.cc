#include "client/scanctl/bench_schedule.h"

#include "absl/time/time.h"

namespace scanserve::client {
namespace {

// Apart from the streams that requests are drawn from.
constexpr uint64_t kArrivalStream = UINT64_MAX - 1;

}  // namespace

BenchSchedule::BenchSchedule(const BenchSettings& settings, BenchTime begin)
    : open_loop_(settings.rate > 0),
      poisson_(settings.poisson),
      mean_gap_seconds_(open_loop_ ? 1 / settings.rate : 0),
      think_time_(absl::ToChronoNanoseconds(settings.think_time)),
      random_(settings.seed, kArrivalStream),
      next_arrival_(begin) {
  if (open_loop_) return;
  for (int64_t i = 0; i < settings.clients; ++i) clients_.push(begin);
}

std::optional<BenchTime> BenchSchedule::Next() const {
  if (open_loop_) return next_arrival_;
  if (clients_.empty()) return std::nullopt;
  return clients_.top();
}

void BenchSchedule::Pop() {
  if (open_loop_) {
    next_arrival_ += Gap();
  } else {
    clients_.pop();
  }
}

void BenchSchedule::Answered(BenchTime time) {
  if (!open_loop_) clients_.push(time + think_time_);
}

BenchClock::duration BenchSchedule::Gap() {
  const double seconds = poisson_ ? random_.Exponential(mean_gap_seconds_) : mean_gap_seconds_;
  return std::chrono::duration_cast<BenchClock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace scanserve::client
