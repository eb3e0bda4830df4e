// A server inside the test, on a free port of 127.0.0.1, for services that the test defines.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "grpcpp/grpcpp.h"

namespace scanserve::client {

class FakeServer {
 public:
  explicit FakeServer(const std::vector<grpc::Service*>& services) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    for (grpc::Service* service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
  }
  // Ends calls under way at once.
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  ConnectionOptions options() const { return {.server = address()}; }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace scanserve::client
