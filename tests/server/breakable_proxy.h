// A TCP proxy in front of a server, whose connections a test can break as a lost network would.
#pragma once

#include <thread>

#include "core/base/file.h"

namespace scanserve::server {

// Forwards between clients of port() and 127.0.0.1:`target_port`, on a thread of its own. A client
// that does not read holds it up, so one proxy is for one client.
class BreakableProxy {
 public:
  explicit BreakableProxy(int target_port);
  ~BreakableProxy();
  BreakableProxy(const BreakableProxy&) = delete;
  BreakableProxy& operator=(const BreakableProxy&) = delete;

  int port() const { return port_; }
  // Resets every connection, on both sides, and takes no new ones.
  void Break();

 private:
  void Main();

  const int target_port_;
  int port_ = 0;
  base::FileDescriptor listener_;
  base::FileDescriptor wake_read_;
  base::FileDescriptor wake_write_;
  std::thread thread_;
};

}  // namespace scanserve::server
