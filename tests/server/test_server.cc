#include "tests/server/test_server.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace scanserve::server {

void StepGate::Close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
}

void StepGate::Open() {
  base::MutexLock lock(mutex_);
  closed_ = false;
  allowed_ = 0;
  changed_.NotifyAll();
}

void StepGate::Pass() {
  base::MutexLock lock(mutex_);
  while (closed_ && allowed_ == 0) changed_.Wait(mutex_);
  if (closed_) --allowed_;
}

void StepGate::Let(int64_t steps) {
  base::MutexLock lock(mutex_);
  allowed_ += steps;
  changed_.NotifyAll();
}

ServerOptions TestServer::Options() {
  ServerOptions options;
  options.model_folder = SCANSERVE_SOURCE_DIR "/models/scanserve-6m";
  options.listen = "127.0.0.1:0";
  options.engine.threads = 1;
  options.drain_delay = absl::ZeroDuration();
  return options;
}

TestServer::TestServer(ServerOptions options) : options_(std::move(options)) {
  if (options_.store_folder.empty()) {
    std::string folder = testing::TempDir() + "scanserve-test-XXXXXX";
    store_folder_ = mkdtemp(folder.data());
    options_.store_folder = store_folder_ + "/store";
  }
  options_.engine.before_step = [this](int64_t) { gate_.Pass(); };
  auto access = AccessControl::Create(options_.security);
  if (!access.ok()) ADD_FAILURE() << access.status();
  access_ = *std::move(access);
  auto backend = Backend::Create(options_, lifecycle_, *access_, registry_);
  if (!backend.ok()) ADD_FAILURE() << backend.status();
  backend_ = *std::move(backend);
  expiry_ = std::make_unique<PeriodicTask>(absl::Milliseconds(10),
                                           [this] { lifecycle_.EndExpiredCalls(absl::Now()); });
  auto server = GrpcServer::Open(options_, *backend_);
  if (!server.ok()) ADD_FAILURE() << server.status();
  server_ = *std::move(server);
}

TestServer::~TestServer() {
  gate_.Open();
  if (server_ != nullptr) server_->Shutdown(absl::Now());
  server_.reset();
  expiry_.reset();
  backend_.reset();
  std::error_code error;
  std::filesystem::remove_all(store_folder_, error);
}

void TestServer::Stop() {
  Drain(options_, *backend_, *server_);
  server_.reset();
}

std::shared_ptr<grpc::Channel> TestServer::NewChannel(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Without it the flow-control window stays at 64 KiB, so that a client that does not read is
  // felt.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                   grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<v1::InferenceService::Stub> TestServer::NewInference() const {
  return v1::InferenceService::NewStub(NewChannel());
}

std::unique_ptr<v1::ScanOrderService::Stub> TestServer::NewScanOrders() const {
  return v1::ScanOrderService::NewStub(NewChannel());
}

std::unique_ptr<v1::ExperimentService::Stub> TestServer::NewExperiments() const {
  return v1::ExperimentService::NewStub(NewChannel());
}

std::unique_ptr<v1::AdapterService::Stub> TestServer::NewAdapters() const {
  return v1::AdapterService::NewStub(NewChannel());
}

std::unique_ptr<v1::MonitoringService::Stub> TestServer::NewMonitoring() const {
  return v1::MonitoringService::NewStub(NewChannel());
}

v1::GenerateRequest GreedyRequest(int tokens) {
  v1::GenerateRequest request;
  request.mutable_prompt()->set_text("In the beginning");
  request.mutable_sampling()->set_do_sample(false);
  request.mutable_sampling()->set_ignore_eos(true);
  request.mutable_sampling()->set_max_new_tokens(tokens);
  return request;
}

GenerateResult Generate(v1::InferenceService::Stub& stub, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  GenerateResult result;
  const auto reader = stub.Generate(&context, request);
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
    if (response.has_started()) result.started = response.started();
    if (response.has_finished()) result.finished = response.finished();
    if (response.has_delta()) {
      result.text += response.delta().text();
      result.token_ids.insert(result.token_ids.end(), response.delta().token_ids().begin(),
                              response.delta().token_ids().end());
      ++result.deltas;
    }
  }
  result.status = reader->Finish();
  return result;
}

}  // namespace scanserve::server
