#include "server/admin_server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/listen_probe.h"
#include "server/only_plugin.h"
#include "server/port_credentials.h"

namespace scanserve::server {
namespace {

// Each call takes one for a moment.
constexpr int kMaxThreads = 4;
// Requests are a few numbers.
constexpr int kMaxRequestBytes = 4 << 10;

class AdminServerImpl final : public AdminServer {
 public:
  ~AdminServerImpl() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  absl::Status Start(const ServerOptions& options, const AccessControl& access,
                     const ServerCertificates* certificates) {
    SCANSERVE_ASSIGN_OR_RETURN(const auto address, ParseListen(options.admin_listen));
    grpc::channelz::experimental::InitChannelzService();
    grpc::ServerBuilder builder;
    builder.SetOption(std::make_unique<OnlyPlugin>(kChannelzPlugin));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
    grpc::ResourceQuota quota("scanserve-admin");
    quota.SetMaxThreads(kMaxThreads);
    builder.SetResourceQuota(quota);
    builder.AddListeningPort(options.admin_listen, LoopbackCredentials(certificates, access),
                             &port_);
    // gRPC says no more than that it failed; the reason has to be found out.
    SCANSERVE_RETURN_IF_ERROR(ProbeListen(address.first, address.second));
    server_ = builder.BuildAndStart();
    if (server_ != nullptr && port_ != 0) return absl::OkStatus();
    server_.reset();
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.admin_listen));
  }

  int port() const override { return port_; }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Open(
    const ServerOptions& options, const AccessControl& access,
    const ServerCertificates* certificates) {
  auto server = std::make_unique<AdminServerImpl>();
  SCANSERVE_RETURN_IF_ERROR(server->Start(options, access, certificates));
  return server;
}

}  // namespace scanserve::server
