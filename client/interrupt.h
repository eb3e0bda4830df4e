// Turns the first SIGINT or SIGTERM of the process into a call of a function; the second ends the
// process as usual. One object at a time.
#pragma once

#include <functional>
#include <thread>

namespace scanserve::client {

class Interrupt {
 public:
  // `on_interrupt` runs on a thread of this object's own.
  explicit Interrupt(std::function<void()> on_interrupt);
  // Gives the signals their old meaning back.
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Whether a signal has come.
  bool seen() const;

 private:
  std::thread thread_;
};

}  // namespace scanserve::client
