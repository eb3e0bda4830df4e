#include "client/scanctl/bench_load.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

namespace scanserve::client {

BenchLoad::BenchLoad(const BenchSettings& settings, const BenchRequests& requests,
                     const ConnectionOptions& options)
    : settings_(settings), requests_(requests) {
  ConnectionOptions separate = options;
  separate.shares_tcp = false;
  const int64_t count = std::min(settings.connections, settings.clients);
  for (int64_t i = 0; i < count; ++i) {
    connections_.push_back(std::make_unique<Connection>(separate));
  }
}

void BenchLoad::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  for (const auto& connection : connections_) connection->CancelAll();
}

BenchLoadResult BenchLoad::Run(const std::function<void(BenchOutcome)>& take) {
  BenchSchedule schedule(settings_, BenchClock::now());
  while (true) {
    SendDue(schedule);
    const bool may_send = MaySend();
    if (in_flight_ == 0 && !may_send) break;
    const bool sends_next = may_send && in_flight_ < settings_.clients;
    const BenchTime wake =
        sends_next ? std::min(schedule.Next().value_or(end_), end_) : BenchTime::max();
    for (BenchOutcome& outcome : WaitForOutcomes(wake)) {
      --in_flight_;
      outcome.cut_off = was_stopped() && absl::IsCancelled(outcome.status);
      schedule.Answered(outcome.finished);
      take(std::move(outcome));
    }
    if (was_stopped()) end_ = BenchTime::min();
  }
  const bool stopped = was_stopped();
  return {.not_sent = stopped ? 0 : OverdueAtEnd(schedule), .stopped = stopped};
}

bool BenchLoad::was_stopped() {
  base::MutexLock lock(mutex_);
  return stopped_;
}

bool BenchLoad::MaySend() const {
  const bool all_sent = settings_.requests > 0 && sent_ == settings_.warm_up + settings_.requests;
  return !all_sent && BenchClock::now() < end_;
}

void BenchLoad::SendDue(BenchSchedule& schedule) {
  while (in_flight_ < settings_.clients && MaySend()) {
    const std::optional<BenchTime> due = schedule.Next();
    if (!due || *due > BenchClock::now()) return;
    schedule.Pop();
    Send(*due);
  }
}

void BenchLoad::Send(BenchTime intended) {
  if (sent_ == settings_.warm_up && settings_.duration != absl::InfiniteDuration()) {
    end_ = BenchClock::now() + absl::ToChronoNanoseconds(settings_.duration);
  }
  Connection& connection = *connections_[static_cast<size_t>(sent_) % connections_.size()];
  const BenchRequest request = requests_.Make(sent_);
  // A client sends when it has come to send; only an open loop has times to keep.
  if (settings_.rate == 0) intended = BenchClock::now();
  ++sent_;
  ++in_flight_;
  SendBenchRequest(connection, request, intended, [this](BenchOutcome outcome) {
    base::MutexLock lock(mutex_);
    outcomes_.push_back(std::move(outcome));
    changed_.NotifyAll();
  });
}

int64_t BenchLoad::OverdueAtEnd(BenchSchedule& schedule) const {
  if (settings_.rate == 0 || end_ == BenchTime::max()) return 0;
  int64_t count = 0;
  const int64_t most = settings_.requests > 0 ? settings_.warm_up + settings_.requests - sent_
                                              : std::numeric_limits<int64_t>::max();
  for (; count < most && *schedule.Next() < end_; ++count) schedule.Pop();
  return count;
}

std::vector<BenchOutcome> BenchLoad::WaitForOutcomes(BenchTime wake) {
  base::MutexLock lock(mutex_);
  while (outcomes_.empty()) {
    if (wake == BenchTime::max()) {
      changed_.Wait(mutex_);
      continue;
    }
    const auto left = wake - BenchClock::now();
    if (stopped_ || left <= BenchClock::duration::zero()) break;
    changed_.WaitUntil(mutex_, absl::Now() + absl::FromChrono(left));
  }
  return std::exchange(outcomes_, {});
}

}  // namespace scanserve::client
