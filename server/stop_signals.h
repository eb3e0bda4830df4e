// SIGTERM, SIGINT and SIGHUP as calls of functions.
#pragma once

#include <functional>
#include <thread>

#include "core/base/file.h"

namespace scanserve::server {

// Make it before every other thread of the process: it blocks the signals in the calling thread,
// and so in those that it starts later. SIGPIPE is ignored from then on. The destructor joins the
// thread that waits for signals.
class StopSignals {
 public:
  // The functions are called on a thread of this object, once for each signal: `on_reload` for
  // SIGHUP, `on_stop` for the others.
  StopSignals(std::function<void()> on_stop, std::function<void()> on_reload);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  void Run();

  const std::function<void()> on_stop_;
  const std::function<void()> on_reload_;
  base::FileDescriptor signals_;
  base::FileDescriptor end_;
  std::thread thread_;
};

}  // namespace scanserve::server
