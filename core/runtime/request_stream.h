// The bounded queue of events between the engine and the one consumer of a request.
//
// The engine pushes and never waits: it asks HasRoom() before it lets a sequence take part in a
// step, so a consumer that does not read pauses its own sequence and nothing else. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "core/base/mutex.h"
#include "core/runtime/request.h"

namespace scanserve::runtime {

class RequestStream {
 public:
  // `wake_engine` is called, on the consumer's thread, when room has appeared or the consumer
  // cancels. At most `capacity` events wait, besides those that end a request.
  RequestStream(int64_t capacity, std::function<void()> wake_engine);

  // ---- The consumer's side.
  // The next event, or nothing yet. After Ended there is nothing any more.
  std::optional<Event> Next();
  // Calls `ready` once, as soon as Next() has something to give: at once on this thread, or later
  // on the engine's, where it must not block. One callback waits at a time; a later one replaces
  // it.
  void NotifyWhenReady(std::function<void()> ready);
  // Waits for the next event. For callers with a thread of their own; not after Ended was taken.
  Event Wait();
  // Nobody reads any more: the engine drops the request before its next step. Events that follow,
  // Ended with CANCELLED among them, may still be taken. Repeating it does nothing.
  void Cancel();

  // ---- The engine's side.
  void Push(Event event);
  bool HasRoom() const;
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  const int64_t capacity_;
  const std::function<void()> wake_engine_;
  std::atomic<bool> cancelled_{false};
  mutable base::Mutex mutex_;
  base::CondVar not_empty_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> ready_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::runtime
