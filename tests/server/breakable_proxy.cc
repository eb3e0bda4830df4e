#include "tests/server/breakable_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <list>
#include <vector>

namespace scanserve::server {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Closing it then resets the connection instead of ending it in order.
void ResetWhenClosed(int socket) {
  const linger now = {1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

struct Connection {
  base::FileDescriptor client;
  base::FileDescriptor server;
};

// Passes on what has come; false when the connection is over. Waits for a receiver that is slow.
bool Forward(int from, int to) {
  std::array<char, 16384> buffer;
  const ssize_t count = recv(from, buffer.data(), buffer.size(), 0);
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t now =
        send(to, buffer.data() + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += now;
  }
  return count > 0;
}

}  // namespace

BreakableProxy::BreakableProxy(int target_port)
    : target_port_(target_port), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  std::array<int, 2> wake{};
  EXPECT_EQ(bind(listener_.get(), any, size), 0);
  EXPECT_EQ(listen(listener_.get(), 16), 0);
  EXPECT_EQ(getsockname(listener_.get(), any, &size), 0);
  EXPECT_EQ(pipe(wake.data()), 0);
  port_ = ntohs(address.sin_port);
  wake_read_ = base::FileDescriptor(wake[0]);
  wake_write_ = base::FileDescriptor(wake[1]);
  thread_ = std::thread([this] { Main(); });
}

BreakableProxy::~BreakableProxy() { Break(); }

void BreakableProxy::Break() {
  if (!thread_.joinable()) return;
  wake_write_ = base::FileDescriptor();
  thread_.join();
}

void BreakableProxy::Main() {
  std::list<Connection> connections;
  for (;;) {
    std::vector<pollfd> polled = {{wake_read_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Connection& connection : connections) {
      polled.push_back({connection.client.get(), POLLIN, 0});
      polled.push_back({connection.server.get(), POLLIN, 0});
    }
    poll(polled.data(), polled.size(), -1);
    if (polled[0].revents != 0) return;
    size_t next = 2;
    connections.remove_if([&](const Connection& connection) {
      const bool from_client = polled[next++].revents != 0;
      const bool from_server = polled[next++].revents != 0;
      return (from_client && !Forward(connection.client.get(), connection.server.get())) ||
             (from_server && !Forward(connection.server.get(), connection.client.get()));
    });
    if (polled[1].revents == 0) continue;
    Connection made = {base::FileDescriptor(accept(listener_.get(), nullptr, nullptr)),
                       base::FileDescriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    ResetWhenClosed(made.client.get());
    ResetWhenClosed(made.server.get());
    const sockaddr_in target = Loopback(target_port_);
    if (connect(made.server.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) ==
        0) {
      connections.push_back(std::move(made));
    }
  }
}

}  // namespace scanserve::server
