// SIGTERM and SIGINT as calls of a function.
#pragma once

#include <functional>
#include <thread>

#include "core/base/file.h"

namespace scanserve::server {

// Make it before every other thread of the process: it blocks both signals in the calling thread,
// and so in those that it starts later. SIGPIPE is ignored from then on. The destructor joins the
// thread that waits for signals.
class StopSignals {
 public:
  // `on_signal` is called on a thread of this object, once for each signal.
  explicit StopSignals(std::function<void()> on_signal);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  void Run();

  const std::function<void()> on_signal_;
  base::FileDescriptor signals_;
  base::FileDescriptor end_;
  std::thread thread_;
};

}  // namespace scanserve::server
