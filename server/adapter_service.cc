#include "scanserve/v1/adapter_service.grpc.pb.h"
#include "server/request_setting.h"
#include "server/services.h"
#include "server/unary_call.h"

namespace scanserve::server {
namespace {

v1::Adapter AdapterToProto(const model::Adapter& adapter, int64_t model_parameters) {
  v1::Adapter proto;
  proto.set_name(adapter.name());
  proto.set_version(1);
  proto.set_digest(adapter.digest());
  proto.set_rank(adapter.max_rank());
  proto.set_modules(adapter.modules_matched());
  proto.mutable_target_modules()->Assign(adapter.target_modules().begin(),
                                         adapter.target_modules().end());
  proto.set_trainable_params(adapter.trainable_parameters());
  proto.set_all_params(model_parameters + adapter.trainable_parameters());
  proto.set_memory_bytes(adapter.memory_bytes());
  return proto;
}

class AdapterService final : public v1::AdapterService::CallbackService {
 public:
  explicit AdapterService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* ListAdapters(grpc::CallbackServerContext* context,
                                         const v1::ListAdaptersRequest*,
                                         v1::ListAdaptersResponse* response) override {
    return UnaryCall::Start(backend_, "ListAdapters", context, nullptr,
                            [this, response](Call&) { return List(response); });
  }

 private:
  absl::Status List(v1::ListAdaptersResponse* response) {
    for (const auto& [name, adapter] : backend_.adapters().all()) {
      *response->add_adapters() = AdapterToProto(*adapter, backend_.model().parameters);
    }
    if (const AdapterPtr& assigned = backend_.adapters().default_adapter()) {
      *response->mutable_default_adapter() = AdapterRefToProto(*assigned);
    }
    response->set_revision(backend_.store().revision());
    return absl::OkStatus();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdapterService(Backend& backend) {
  return std::make_unique<AdapterService>(backend);
}

}  // namespace scanserve::server
