// The bounded queue of requests that wait for state slots.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/runtime/sequence.h"

namespace scanserve::runtime {

// Not thread-safe: the engine guards it with its mutex.
class RequestQueue {
 public:
  // At most `max_requests` wait, and at most `max_tokens` of their tokens; a request that finds the
  // queue empty may have more.
  RequestQueue(int64_t max_requests, int64_t max_tokens);

  // RESOURCE_EXHAUSTED when it is full.
  absl::Status Push(std::unique_ptr<Sequence> sequence);
  // The next one in turn. Those that `may_start` refuses are passed by; one that needs more than
  // `slots` is waited for, so that smaller ones do not starve it. Null when there is none.
  std::unique_ptr<Sequence> Take(int32_t slots, absl::FunctionRef<bool(const Job&)> may_start);
  // All that `is_leaving` says yes to.
  std::vector<std::unique_ptr<Sequence>> Remove(absl::FunctionRef<bool(Sequence&)> is_leaving);

  bool empty() const { return waiting_.empty(); }
  int64_t requests() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t tokens() const { return tokens_; }
  // The first deadline of those that wait; InfiniteFuture when none has one.
  absl::Time NextDeadline() const;

 private:
  const int64_t max_requests_;
  const int64_t max_tokens_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  int64_t tokens_ = 0;
};

}  // namespace scanserve::runtime
