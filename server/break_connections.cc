#include "server/break_connections.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "core/base/file.h"

namespace scanserve::server {
namespace {

std::vector<int> OpenDescriptors() {
  std::vector<int> descriptors;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (folder == nullptr) return descriptors;
  while (const dirent* entry = readdir(folder.get())) {
    int descriptor = 0;
    if (absl::SimpleAtoi(entry->d_name, &descriptor)) descriptors.push_back(descriptor);
  }
  return descriptors;
}

// 0 for what is no internet address.
int PortOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return 0;
}

// Of our end; 0 for what is no TCP socket.
int LocalPort(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return PortOf(address);
}

// Of the client's end; 0 for what is not connected.
int PeerPort(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return PortOf(address);
}

// Not one that is being closed.
bool IsConnection(int descriptor) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  return getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         (info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_CLOSE_WAIT);
}

bool HasUnread(int descriptor) {
  int unread = 0;
  return ioctl(descriptor, FIONREAD, &unread) == 0 && unread > 0;
}

bool IsListening(int descriptor) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
         listening != 0;
}

}  // namespace

void BreakConnections(int port) {
  for (const int descriptor : OpenDescriptors()) {
    if (LocalPort(descriptor) == port && !IsListening(descriptor)) shutdown(descriptor, SHUT_RDWR);
  }
}

void ConnectionLimit::Look(int port, size_t limit, const std::multiset<int>& spared) {
  ++looks_;
  size_t open = 0;
  std::map<int, int64_t> first_looks;
  std::multimap<int64_t, base::FileDescriptor> waiting;
  for (const int descriptor : OpenDescriptors()) {
    if (LocalPort(descriptor) != port) continue;
    // Its owner may close it now, and the number may become somebody else's; this one stays.
    base::FileDescriptor held(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (LocalPort(held.get()) != port || !IsConnection(held.get())) continue;
    ++open;
    const int peer = PeerPort(held.get());
    const auto known = first_looks_.find(peer);
    const int64_t first = known == first_looks_.end() ? looks_ : known->second;
    first_looks[peer] = first;
    if (!spared.contains(peer) && !HasUnread(held.get())) waiting.emplace(first, std::move(held));
  }
  first_looks_ = std::move(first_looks);
  for (const auto& [first, held] : waiting) {
    if (open <= limit) return;
    shutdown(held.get(), SHUT_RDWR);
    --open;
  }
}

void StopListening(int port) {
  for (const int descriptor : OpenDescriptors()) {
    if (LocalPort(descriptor) == port && IsListening(descriptor)) shutdown(descriptor, SHUT_RDWR);
  }
}

}  // namespace scanserve::server
