#include "scanserve/v1/experiment_service.grpc.pb.h"
#include "server/experiment_handlers.h"
#include "server/services.h"
#include "server/unary_call.h"

namespace scanserve::server {
namespace {

class ExperimentService final : public v1::ExperimentService::CallbackService {
 public:
  explicit ExperimentService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateExperiment(grpc::CallbackServerContext* context,
                                             const v1::CreateExperimentRequest* request,
                                             v1::CreateExperimentResponse* response) override {
    return UnaryCall::StartChange(backend_, "CreateExperiment", context, request->design().id(),
                                  [this, request, response](Call& call) {
                                    return server::CreateExperiment(backend_, *request,
                                                                    call.report(), response);
                                  });
  }

  grpc::ServerUnaryReactor* GetExperiment(grpc::CallbackServerContext* context,
                                          const v1::GetExperimentRequest* request,
                                          v1::GetExperimentResponse* response) override {
    return UnaryCall::Start(backend_, "GetExperiment", context, &backend_.storing(),
                            [this, request, response](Call&) {
                              return server::GetExperiment(backend_, *request, response);
                            });
  }

  grpc::ServerUnaryReactor* ListExperiments(grpc::CallbackServerContext* context,
                                            const v1::ListExperimentsRequest*,
                                            v1::ListExperimentsResponse* response) override {
    return UnaryCall::Start(
        backend_, "ListExperiments", context, &backend_.storing(),
        [this, response](Call&) { return server::ListExperiments(backend_, response); });
  }

  grpc::ServerUnaryReactor* StopExperiment(grpc::CallbackServerContext* context,
                                           const v1::StopExperimentRequest* request,
                                           v1::StopExperimentResponse* response) override {
    return UnaryCall::StartChange(
        backend_, "StopExperiment", context, request->id(), [this, request, response](Call& call) {
          return server::StopExperiment(backend_, *request, call.report(), response);
        });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeExperimentService(Backend& backend) {
  return std::make_unique<ExperimentService>(backend);
}

}  // namespace scanserve::server
