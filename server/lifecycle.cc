#include "server/lifecycle.h"

#include <algorithm>

namespace scanserve::server {
namespace {

// What a call gets between being asked to end and being broken off.
constexpr absl::Duration kGrace = absl::Seconds(2);

}  // namespace

void Lifecycle::RequestStop() {
  base::MutexLock lock(mutex_);
  ++stop_requests_;
  changed_.NotifyAll();
}

bool Lifecycle::stop_requested() const {
  base::MutexLock lock(mutex_);
  return stop_requests_ > 0;
}

void Lifecycle::WaitForStopRequest() {
  base::MutexLock lock(mutex_);
  while (stop_requests_ == 0) changed_.Wait(mutex_);
}

void Lifecycle::WaitWhileServing(absl::Time until) {
  base::MutexLock lock(mutex_);
  while (stop_requests_ < 2 && changed_.WaitUntil(mutex_, until)) {
  }
}

void Lifecycle::RefuseCalls() {
  base::MutexLock lock(mutex_);
  refusing_ = true;
  for (OpenCall* call : open_) {
    if (call->endless()) call->EndEarly(absl::UnavailableError("the server is stopping"));
  }
}

bool Lifecycle::AnyWithAnEnd() const {
  return std::ranges::any_of(open_, [](const OpenCall* call) { return !call->endless(); });
}

bool Lifecycle::WaitForCalls(absl::Time until) {
  base::MutexLock lock(mutex_);
  while (AnyWithAnEnd() && stop_requests_ < 2 && changed_.WaitUntil(mutex_, until)) {
  }
  return !AnyWithAnEnd();
}

void Lifecycle::EndCalls(const absl::Status& status) {
  base::MutexLock lock(mutex_);
  for (OpenCall* call : open_) call->EndEarly(status);
}

void Lifecycle::EndExpiredCalls(absl::Time now) {
  base::MutexLock lock(mutex_);
  for (OpenCall* call : open_) {
    const absl::Time expires = call->expires();
    if (now >= expires) call->EndEarly(absl::DeadlineExceededError("the call's time is over"));
    if (now >= expires + kGrace) call->Kill();
  }
}

bool Lifecycle::Enter(OpenCall* call) {
  base::MutexLock lock(mutex_);
  if (refusing_) return false;
  open_.insert(call);
  return true;
}

void Lifecycle::Leave(OpenCall* call) {
  base::MutexLock lock(mutex_);
  open_.erase(call);
  changed_.NotifyAll();
}

}  // namespace scanserve::server
