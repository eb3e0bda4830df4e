#include "server/grpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/status_macros.h"
#include "server/break_connections.h"
#include "server/listen_probe.h"
#include "server/log.h"
#include "server/only_plugin.h"
#include "server/port_credentials.h"
#include "server/services.h"

namespace scanserve::server {
namespace {

constexpr const char* kServices[] = {
    "scanserve.v1.InferenceService", "scanserve.v1.ScanOrderService", "scanserve.v1.AdapterService",
    "scanserve.v1.ExperimentService", "scanserve.v1.MonitoringService"};

constexpr int kMaxMetadataBytes = 16 << 10;
// Reflection runs on threads, one for each open stream.
constexpr int kMaxSyncThreads = 16;
// What a call takes to end after its time is over.
constexpr absl::Duration kAgeGrace = absl::Seconds(5);
// Of what gRPC and protobuf say.
constexpr size_t kMaxMessageBytes = 1'024;
constexpr int kPingMilliseconds = 30'000;
constexpr int kPingTimeoutMilliseconds = 10'000;
// Clients may ping every 10 s; what arrives a little early is no offence.
constexpr int kMinClientPingMilliseconds = 9'000;

void LogFromGrpc(gpr_log_func_args* args) {
  if (args->severity != GPR_LOG_SEVERITY_ERROR) return;
  LogWarning("grpc", {LogField::Whole("message", LoggedText(args->message, kMaxMessageBytes))});
}

// Its own handler would write to standard error, whatever the format and whoever reads it.
void LogFromProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  LogWarning("protobuf", {LogField::Whole("message", LoggedText(message, kMaxMessageBytes))});
}

int MillisecondsOf(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

void SetArguments(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // A small compressed message can hold a huge one. Without the filter that inflates, gRPC finds
  // the algorithm disabled before anything looks at the message.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,
                             1 << GRPC_COMPRESS_NONE);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinClientPingMilliseconds);
  if (options.max_connection_age > absl::ZeroDuration()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                               MillisecondsOf(options.max_connection_age));
    // No call is broken off for the age of its connection.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                               MillisecondsOf(options.max_request_duration + kAgeGrace));
  }
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  grpc::ResourceQuota quota("scanserve");
  quota.SetMaxThreads(kMaxSyncThreads);
  builder.SetResourceQuota(quota);
}

class GrpcServerImpl final : public GrpcServer {
 public:
  GrpcServerImpl(Backend& backend, const ServerCertificates* certificates)
      : credentials_(PortCredentials(certificates, backend.access())) {
    services_.push_back(MakeInferenceService(backend));
    services_.push_back(MakeScanOrderService(backend));
    services_.push_back(MakeAdapterService(backend));
    services_.push_back(MakeExperimentService(backend));
    services_.push_back(MakeMonitoringService(backend));
  }

  ~GrpcServerImpl() override {
    if (server_ != nullptr) server_->Shutdown();
  }

  absl::Status Start(const ServerOptions& options) {
    SCANSERVE_ASSIGN_OR_RETURN(const auto address, ParseListen(options.listen));
    gpr_set_log_function(LogFromGrpc);
    google::protobuf::SetLogHandler(LogFromProtobuf);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    SetArguments(options, builder);
    // Without TLS nothing would ask its callers who they are.
    const bool safe = options.reflection && options.security.has_tls();
    const bool reflects = safe || IsLoopback(address.first);
    builder.SetOption(std::make_unique<OnlyPlugin>(reflects ? kReflectionPlugin : kNoPlugin));
    builder.AddListeningPort(options.listen, credentials_, &port_);
    for (const auto& service : services_) builder.RegisterService(service.get());
    // gRPC says no more than that it failed; the reason has to be found out.
    SCANSERVE_RETURN_IF_ERROR(ProbeListen(address.first, address.second));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      server_.reset();
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen));
    }
    SetServing(true);
    return absl::OkStatus();
  }

  int port() const override { return port_; }

  void SetServing(bool serving) override {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus("", serving);
    for (const char* service : kServices) health->SetServingStatus(service, serving);
  }

  void Shutdown(absl::Time deadline) override {
    BreakConnections(port_);
    server_->Shutdown(absl::ToChronoTime(deadline));
    server_->Wait();
    server_.reset();
  }

 private:
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Open(
    const ServerOptions& options, Backend& backend, const ServerCertificates* certificates) {
  auto server = std::make_unique<GrpcServerImpl>(backend, certificates);
  SCANSERVE_RETURN_IF_ERROR(server->Start(options));
  return server;
}

}  // namespace scanserve::server
