#include "server/stop_signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <utility>

#include "core/base/check.h"

namespace scanserve::server {

StopSignals::StopSignals(std::function<void()> on_stop, std::function<void()> on_reload)
    : on_stop_(std::move(on_stop)), on_reload_(std::move(on_reload)) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  SCANSERVE_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signals_ = base::FileDescriptor(signalfd(-1, &set, SFD_CLOEXEC));
  end_ = base::FileDescriptor(eventfd(0, EFD_CLOEXEC));
  SCANSERVE_CHECK(signals_.valid() && end_.valid());
  thread_ = std::thread([this] { Run(); });
}

StopSignals::~StopSignals() {
  const uint64_t one = 1;
  SCANSERVE_CHECK(write(end_.get(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
}

void StopSignals::Run() {
  for (;;) {
    pollfd waiting[] = {{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;
    if (waiting[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) continue;
    (info.ssi_signo == SIGHUP ? on_reload_ : on_stop_)();
  }
}

}  // namespace scanserve::server
