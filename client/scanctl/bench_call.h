// One request of a load test on its way, and what became of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "client/connection.h"
#include "client/scanctl/bench_requests.h"

namespace scanserve::client {

// Never set back. On Linux the same for all processes of a machine (CLOCK_MONOTONIC).
using BenchClock = std::chrono::steady_clock;
using BenchTime = BenchClock::time_point;

inline double BenchSeconds(BenchClock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Tokens of an answer that came together.
struct BenchDelivery {
  BenchTime time;
  int32_t tokens = 0;
};

struct BenchOutcome {
  int64_t index = 0;
  size_t entry = 0;
  // When it was to be sent, was sent, and had ended.
  BenchTime intended;
  BenchTime sent;
  BenchTime finished;
  // Generate only; deltas without tokens are not among them.
  std::vector<BenchDelivery> deliveries;
  // As the server counts them.
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
  // DATA_LOSS when the call ended well without the event that holds the counts.
  absl::Status status;
  // Cancelled because the run was stopped: neither a success nor a failure.
  bool cut_off = false;
};

// Called once for each request, on a thread of gRPC's.
using BenchDone = std::function<void(BenchOutcome)>;

// Sends `request`, which was to be sent at `intended`, and returns at once. `connection` must live
// until `done` is called, which is the last thing that happens.
void SendBenchRequest(Connection& connection, const BenchRequest& request, BenchTime intended,
                      BenchDone done);

}  // namespace scanserve::client
