// When the requests of a load test are to be sent.
#pragma once

#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "client/scanctl/bench_call.h"
#include "client/scanctl/bench_random.h"
#include "client/scanctl/bench_settings.h"

namespace scanserve::client {

// Closed loop: each client is to send when it has its answer and has thought about it. Open loop:
// times that no answer changes, so that a slow server does not hide its slowness by slowing the
// requests. Belongs to one thread.
class BenchSchedule {
 public:
  // The first requests are due at `begin`.
  BenchSchedule(const BenchSettings& settings, BenchTime begin);

  // Of the next request; nothing while every client waits for an answer.
  std::optional<BenchTime> Next() const;
  // The next request is sent, or given up.
  void Pop();
  // An answer has come at `time`.
  void Answered(BenchTime time);

 private:
  BenchClock::duration Gap();

  const bool open_loop_;
  const bool poisson_;
  const double mean_gap_seconds_;
  const BenchClock::duration think_time_;
  BenchRandom random_;
  BenchTime next_arrival_;
  // Closed loop: when the clients that wait for no answer will send, soonest first.
  std::priority_queue<BenchTime, std::vector<BenchTime>, std::greater<>> clients_;
};

}  // namespace scanserve::client
