#include "core/runtime/request_stream.h"

#include <utility>

namespace scanserve::runtime {

RequestStream::RequestStream(int64_t capacity, std::function<void()> wake_engine)
    : capacity_(capacity), wake_engine_(std::move(wake_engine)) {}

std::optional<Event> RequestStream::Next() {
  std::optional<Event> event;
  bool room_appeared = false;
  {
    base::MutexLock lock(mutex_);
    if (events_.empty()) return std::nullopt;
    room_appeared = static_cast<int64_t>(events_.size()) == capacity_;
    event = std::move(events_.front());
    events_.pop_front();
  }
  if (room_appeared) wake_engine_();
  return event;
}

void RequestStream::NotifyWhenReady(std::function<void()> ready) {
  {
    base::MutexLock lock(mutex_);
    if (events_.empty()) {
      ready_ = std::move(ready);
      return;
    }
  }
  ready();
}

Event RequestStream::Wait() {
  {
    base::MutexLock lock(mutex_);
    while (events_.empty()) not_empty_.Wait(mutex_);
  }
  return *Next();
}

void RequestStream::Cancel() {
  if (!cancelled_.exchange(true, std::memory_order_acq_rel)) wake_engine_();
}

void RequestStream::Push(Event event) {
  std::function<void()> ready;
  {
    base::MutexLock lock(mutex_);
    events_.push_back(std::move(event));
    ready = std::exchange(ready_, nullptr);
    not_empty_.NotifyOne();
  }
  if (ready) ready();
}

bool RequestStream::HasRoom() const {
  base::MutexLock lock(mutex_);
  return static_cast<int64_t>(events_.size()) < capacity_;
}

}  // namespace scanserve::runtime
