// Sends the requests of a load test when they are due, and takes the outcomes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "client/connection.h"
#include "client/scanctl/bench_call.h"
#include "client/scanctl/bench_requests.h"
#include "client/scanctl/bench_schedule.h"
#include "client/scanctl/bench_settings.h"
#include "core/base/mutex.h"

namespace scanserve::client {

struct BenchLoadResult {
  // Requests that were due within the duration, and not sent because too many were in flight.
  int64_t not_sent = 0;
  bool stopped = false;
};

// One run. Run belongs to one thread, Stop to any.
class BenchLoad {
 public:
  // Opens connections of its own, as many as the settings say, with `options`.
  BenchLoad(const BenchSettings& settings, const BenchRequests& requests,
            const ConnectionOptions& options);

  // Returns when the last request has ended. `take` gets each outcome, warm-up included, on the
  // caller's thread.
  BenchLoadResult Run(const std::function<void(BenchOutcome)>& take);
  // Cancels what is in flight and sends no more.
  void Stop();

 private:
  bool was_stopped();
  bool MaySend() const;
  void SendDue(BenchSchedule& schedule);
  void Send(BenchTime intended);
  int64_t OverdueAtEnd(BenchSchedule& schedule) const;
  // Until there are some; unless `wake` is BenchTime::max(), at most until then or the run is
  // stopped.
  std::vector<BenchOutcome> WaitForOutcomes(BenchTime wake);

  const BenchSettings settings_;
  const BenchRequests& requests_;
  std::vector<std::unique_ptr<Connection>> connections_;

  // Of Run's thread.
  int64_t sent_ = 0;
  int64_t in_flight_ = 0;
  BenchTime end_ = BenchTime::max();

  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<BenchOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace scanserve::client
