#include "scanserve/v1/adapter_service.grpc.pb.h"
#include "server/adapter_handlers.h"
#include "server/adapter_upload_call.h"
#include "server/services.h"
#include "server/unary_call.h"

namespace scanserve::server {
namespace {

class AdapterService final : public v1::AdapterService::CallbackService {
 public:
  explicit AdapterService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* LoadAdapter(grpc::CallbackServerContext* context,
                                        const v1::LoadAdapterRequest* request,
                                        v1::LoadAdapterResponse* response) override {
    return UnaryCall::StartChange(
        backend_, "LoadAdapter", context, request->folder(), [this, request, response](Call& call) {
          return server::LoadAdapter(backend_, *request, call.report(), response);
        });
  }

  grpc::ServerReadReactor<v1::UploadAdapterRequest>* UploadAdapter(
      grpc::CallbackServerContext* context, v1::UploadAdapterResponse* response) override {
    return StartAdapterUpload(backend_, context, response);
  }

  grpc::ServerUnaryReactor* UnloadAdapter(grpc::CallbackServerContext* context,
                                          const v1::UnloadAdapterRequest* request,
                                          v1::UnloadAdapterResponse* response) override {
    return UnaryCall::StartChange(backend_, "UnloadAdapter", context, request->adapter().name(),
                                  [this, request, response](Call& call) {
                                    return server::UnloadAdapter(backend_, *request, call.report(),
                                                                 response);
                                  });
  }

  grpc::ServerUnaryReactor* ListAdapters(grpc::CallbackServerContext* context,
                                         const v1::ListAdaptersRequest*,
                                         v1::ListAdaptersResponse* response) override {
    return UnaryCall::Start(backend_, "ListAdapters", context, nullptr, [this, response](Call&) {
      return server::ListAdapters(backend_, response);
    });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdapterService(Backend& backend) {
  return std::make_unique<AdapterService>(backend);
}

}  // namespace scanserve::server
