// A server on the embedded model inside the test's own process, on a free port.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "scanserve/v1/adapter_service.grpc.pb.h"
#include "scanserve/v1/experiment_service.grpc.pb.h"
#include "scanserve/v1/inference_service.grpc.pb.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"
#include "server/backend.h"
#include "server/drain.h"
#include "server/grpc_server.h"
#include "server/lifecycle.h"
#include "server/metric_registry.h"
#include "server/periodic_task.h"

namespace scanserve::server {

// Lets the engine make steps only while it is open. Thread-safe.
class StepGate {
 public:
  void Close();
  void Open();
  // Lets this many more steps pass while it is closed.
  void Let(int64_t steps);
  // For EngineOptions::before_step.
  void Pass();

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t allowed_ ABSL_GUARDED_BY(mutex_) = 0;
};

class TestServer {
 public:
  // Options that a test changes before it makes the server: the embedded model, one thread, no
  // waits. Without a store's folder the server has one of its own.
  static ServerOptions Options();

  explicit TestServer(ServerOptions options = Options());
  ~TestServer();

  // As on SIGTERM; returns when the port is closed.
  void Stop();

  StepGate& gate() { return gate_; }
  Backend& backend() { return *backend_; }
  Lifecycle& lifecycle() { return lifecycle_; }
  GrpcServer& grpc_server() { return *server_; }
  const MetricRegistry& registry() const { return registry_; }
  int port() const { return server_->port(); }
  // Its own connection each time.
  std::shared_ptr<grpc::Channel> NewChannel() const { return NewChannel(port()); }
  static std::shared_ptr<grpc::Channel> NewChannel(int port);
  std::unique_ptr<v1::InferenceService::Stub> NewInference() const;
  std::unique_ptr<v1::ScanOrderService::Stub> NewScanOrders() const;
  std::unique_ptr<v1::AdapterService::Stub> NewAdapters() const;
  std::unique_ptr<v1::ExperimentService::Stub> NewExperiments() const;
  std::unique_ptr<v1::MonitoringService::Stub> NewMonitoring() const;

 private:
  StepGate gate_;
  MetricRegistry registry_;
  std::string store_folder_;
  Lifecycle lifecycle_;
  ServerOptions options_;
  std::unique_ptr<AccessControl> access_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<PeriodicTask> expiry_;
  std::unique_ptr<GrpcServer> server_;
};

// A greedy request of `tokens` tokens.
v1::GenerateRequest GreedyRequest(int tokens);

// Reads a whole Generate call.
struct GenerateResult {
  grpc::Status status;
  v1::GenerateStarted started;
  std::string text;
  std::vector<int32_t> token_ids;
  int deltas = 0;
  v1::GenerateFinished finished;
};
GenerateResult Generate(v1::InferenceService::Stub& stub, const v1::GenerateRequest& request);

}  // namespace scanserve::server
