#include "server/metrics_stream_call.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "core/base/mutex.h"
#include "server/call.h"
#include "server/convert_metrics.h"
#include "server/grpc_status.h"

namespace scanserve::server {
namespace {

// Writes a snapshot's parts, then waits for the alarm, again and again. At most one of write and
// alarm is under way, and the call finishes when none is. Ends when its client has not read for the
// stall limit, since there are few places. Deletes itself after its last reaction.
class MetricsStreamCall final : public grpc::ServerWriteReactor<v1::StreamMetricsResponse> {
 public:
  MetricsStreamCall(Backend& backend, OpenLimit& open_streams, grpc::CallbackServerContext* context)
      : backend_(backend),
        open_streams_(open_streams),
        call_(backend.lifecycle(), backend.access(), backend.metrics(), "StreamMetrics", context,
              absl::InfiniteDuration()) {
    call_.SetEndless();
  }

  void Begin(const v1::StreamMetricsRequest& request) {
    call_.TakeId(request.request_id());
    absl::Status fault = call_.Admit([this](const absl::Status& status) { End(status); });
    const absl::StatusOr<absl::Duration> interval = SnapshotInterval(request);
    fault.Update(interval.status());
    if (interval.ok()) interval_ = *interval;
    if (fault.ok()) {
      place_ = open_streams_.Enter();
      fault = place_.status();
    }
    if (!fault.ok()) return End(fault);
    Step([] {});
  }

 private:
  // The first status counts.
  void End(const absl::Status& status) {
    Step([this, &status]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (!end_) end_ = status;
      if (waits_for_alarm_) alarm_->Cancel();
    });
  }

  void OnCancel() override { End(absl::CancelledError("the client is gone")); }

  void OnWriteDone(bool ok) override {
    Step([this, ok]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      writes_ = false;
      call_.set_expires(absl::InfiniteFuture());
      if (!ok && !end_) end_ = absl::CancelledError("the client is gone");
    });
  }

  void OnAlarm() {
    Step([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { waits_for_alarm_ = false; });
  }

  void OnDone() override {
    call_.ForgetEndEarly();
    delete this;
  }

  // Changes the state, which is the mutex's, and does what follows. Finishes without the mutex: the
  // call may be gone as soon as it is finished.
  template <typename Change>
  void Step(Change change) {
    std::optional<absl::Status> end;
    {
      base::MutexLock lock(mutex_);
      change();
      if (writes_ || waits_for_alarm_ || finished_) return;
      if (end_) {
        end = end_;
        finished_ = true;
      } else {
        GoOn();
      }
    }
    if (end) Finish(call_.End(*end));
  }

  void GoOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time now = absl::Now();
    if (parts_.empty()) {
      if (now < next_) return WaitUntilNext();
      // A client that was late gets the next one a whole interval later.
      next_ = std::max(next_ + interval_, now);
      for (auto& part : SnapshotToProto(backend_.registry().Collect(), now, kMaxServerMessageBytes))
        parts_.push_back(std::move(part));
    }
    part_ = std::move(parts_.front());
    parts_.pop_front();
    writes_ = true;
    call_.set_expires(now + backend_.options().engine.stall_limit);
    StartWrite(&part_);
  }

  void WaitUntilNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    waits_for_alarm_ = true;
    // A new one each time: the old one may be calling.
    alarm_.emplace();
    alarm_->Set(absl::ToChronoTime(next_), [this](bool) { OnAlarm(); });
  }

  Backend& backend_;
  OpenLimit& open_streams_;
  absl::StatusOr<OpenLimit::Place> place_;
  Call call_;
  absl::Duration interval_;
  base::Mutex mutex_;
  absl::Time next_ ABSL_GUARDED_BY(mutex_) = absl::Now();
  std::deque<v1::StreamMetricsResponse> parts_ ABSL_GUARDED_BY(mutex_);
  // gRPC's while a write is under way.
  v1::StreamMetricsResponse part_;
  bool writes_ ABSL_GUARDED_BY(mutex_) = false;
  bool waits_for_alarm_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::StreamMetricsResponse>* StartStreamMetrics(
    Backend& backend, OpenLimit& open_streams, grpc::CallbackServerContext* context,
    const v1::StreamMetricsRequest& request) {
  auto* call = new MetricsStreamCall(backend, open_streams, context);
  call->Begin(request);
  return call;
}

}  // namespace scanserve::server
