// The bounded queue of requests that wait for state slots, and whose turn it is.
//
// Turns: when both levels of priority wait, the low one gets a fixed share of the admissions.
// Within a level the caller that holds the fewest slots is next, so that one caller holds at most
// half of the slots while another waits; among a caller's requests the oldest. Low-priority
// requests hold at most three quarters of the slots, so that a normal one finds a slot soon
// whatever runs in the background.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/runtime/sequence.h"
#include "core/runtime/state_slots.h"

namespace scanserve::runtime {

// Not thread-safe: the engine guards it with its mutex.
class RequestQueue {
 public:
  // At most `max_requests` wait, and at most `max_tokens` of their tokens; a request that finds the
  // queue empty may have more. `low_share` is the low level's part of the admissions, 0 to 1.
  RequestQueue(int64_t max_requests, int64_t max_tokens, double low_share);

  // RESOURCE_EXHAUSTED when it is full, with an estimate of when to try again (retry_delay.h): a
  // quarter of the queue will have gone by then.
  absl::Status Push(std::unique_ptr<Sequence> sequence, absl::Time now);
  // The next one in turn. Those that `may_start` refuses are passed by; one that needs more slots
  // than are free is waited for, so that smaller ones do not starve it. Null when there is none.
  std::unique_ptr<Sequence> Take(const StateSlots& slots,
                                 absl::FunctionRef<bool(const Job&)> may_start, absl::Time now);
  // All that `is_leaving` says yes to.
  std::vector<std::unique_ptr<Sequence>> Remove(absl::FunctionRef<bool(Sequence&)> is_leaving);

  bool empty() const { return waiting_.empty(); }
  int64_t requests() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t requests_of(Priority priority) const;
  int64_t tokens() const { return tokens_; }
  // The first deadline of those that wait; InfiniteFuture when none has one.
  absl::Time NextDeadline() const;

 private:
  using Place = std::deque<std::unique_ptr<Sequence>>::iterator;

  // The next one of a level; end when none may start.
  Place Next(Priority priority, const StateSlots& slots,
             absl::FunctionRef<bool(const Job&)> may_start);
  absl::Duration RetryDelay(absl::Time now) const;

  const int64_t max_requests_;
  const int64_t max_tokens_;
  const double low_share_;
  // In the order of arrival.
  std::deque<std::unique_ptr<Sequence>> waiting_;
  int64_t tokens_ = 0;
  // Admissions that the low level may have ahead of the normal one; grows while both wait.
  double low_credit_ = 0;
  // When the present wait for the next admission began, and how long such waits take.
  absl::Time waiting_since_;
  absl::Duration time_per_admission_ = absl::Seconds(1);
};

}  // namespace scanserve::runtime
