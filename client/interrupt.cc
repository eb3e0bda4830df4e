#include "client/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace scanserve::client {
namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};
constexpr char kSignalled = 's';
constexpr char kFinished = 'f';

// What the handler may touch: a pipe to the thread, and a flag.
int write_end = -1;
std::atomic<bool> signal_seen = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void Send(char message) {
  while (write(write_end, &message, 1) < 0 && errno == EINTR) {
  }
}

extern "C" void OnSignal(int) {
  const int saved_errno = errno;
  signal_seen = true;
  Send(kSignalled);
  errno = saved_errno;
}

}  // namespace

Interrupt::Interrupt(std::function<void()> on_interrupt) {
  std::array<int, 2> ends;
  SCANSERVE_CHECK(pipe(ends.data()) == 0);
  write_end = ends[1];
  signal_seen = false;
  thread_ = std::thread([read_end = ends[0], on_interrupt = std::move(on_interrupt)] {
    char message = 0;
    while (message != kFinished) {
      const ssize_t size = read(read_end, &message, 1);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) break;
      if (message == kSignalled) on_interrupt();
    }
    close(read_end);
  });
  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  // Without SA_RESTART a blocked read of the input ends too.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

Interrupt::~Interrupt() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
  Send(kFinished);
  thread_.join();
  close(write_end);
  write_end = -1;
}

bool Interrupt::seen() const { return signal_seen; }

}  // namespace scanserve::client
