#include "server/break_connections.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "absl/strings/numbers.h"

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

// The port of our end; 0 for what is no TCP socket.
int LocalPort(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return 0;
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

void StopListening(int port) {
  for (const int descriptor : OpenDescriptors()) {
    if (LocalPort(descriptor) == port && IsListening(descriptor)) shutdown(descriptor, SHUT_RDWR);
  }
}

}  // namespace scanserve::server
