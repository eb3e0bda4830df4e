#include "server/listen_probe.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace scanserve::server {
namespace {

absl::Status Fault(const std::string& host, int port, absl::string_view reason) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", host, ":", port, ": ", reason));
}

}  // namespace

absl::Status ProbeListen(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) return Fault(host, port, gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  const base::FileDescriptor descriptor(
      socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol));
  const int reuse = 1;
  // As gRPC does: connections of an earlier server that linger are no obstacle.
  if (!descriptor.valid() ||
      setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) != 0 ||
      bind(descriptor.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(descriptor.get(), 1) != 0) {
    return Fault(host, port, std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace scanserve::server
