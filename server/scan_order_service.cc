#include "scanserve/v1/scan_order_service.grpc.pb.h"
#include "server/download_call.h"
#include "server/scan_check_call.h"
#include "server/scan_order_handlers.h"
#include "server/services.h"
#include "server/unary_call.h"
#include "server/upload_call.h"

namespace scanserve::server {
namespace {

class ScanOrderService final : public v1::ScanOrderService::CallbackService {
 public:
  explicit ScanOrderService(Backend& backend) : backend_(backend) {}

  grpc::ServerReadReactor<v1::UploadScanOrderRequest>* UploadScanOrder(
      grpc::CallbackServerContext* context, v1::UploadScanOrderResponse* response) override {
    return StartUpload(backend_, context, response);
  }

  grpc::ServerWriteReactor<v1::DownloadScanOrderResponse>* DownloadScanOrder(
      grpc::CallbackServerContext* context, const v1::DownloadScanOrderRequest* request) override {
    return StartDownload(backend_, context, request);
  }

  grpc::ServerUnaryReactor* ListScanOrders(grpc::CallbackServerContext* context,
                                           const v1::ListScanOrdersRequest*,
                                           v1::ListScanOrdersResponse* response) override {
    return UnaryCall::Start(backend_, "ListScanOrders", context, nullptr, [this, response](Call&) {
      return server::ListScanOrders(backend_, response);
    });
  }

  grpc::ServerUnaryReactor* GetScanOrder(grpc::CallbackServerContext* context,
                                         const v1::GetScanOrderRequest* request,
                                         v1::GetScanOrderResponse* response) override {
    return UnaryCall::Start(backend_, "GetScanOrder", context, nullptr,
                            [this, request, response](Call&) {
                              return server::GetScanOrder(backend_, *request, response);
                            });
  }

  grpc::ServerUnaryReactor* GetActiveScan(grpc::CallbackServerContext* context,
                                          const v1::GetActiveScanRequest* request,
                                          v1::GetActiveScanResponse* response) override {
    return UnaryCall::Start(backend_, "GetActiveScan", context, nullptr,
                            [this, request, response](Call&) {
                              return server::GetActiveScan(backend_, *request, response);
                            });
  }

  grpc::ServerUnaryReactor* DeleteScanOrder(grpc::CallbackServerContext* context,
                                            const v1::DeleteScanOrderRequest* request,
                                            v1::DeleteScanOrderResponse* response) override {
    return UnaryCall::StartChange(backend_, "DeleteScanOrder", context, request->order().name(),
                                  [this, request, response](Call& call) {
                                    return server::DeleteScanOrder(backend_, *request,
                                                                   call.report(), response);
                                  });
  }

  grpc::ServerUnaryReactor* CheckScanSetting(grpc::CallbackServerContext* context,
                                             const v1::CheckScanSettingRequest* request,
                                             v1::CheckScanSettingResponse* response) override {
    return StartScanCheck(backend_, context, request, response);
  }

  grpc::ServerUnaryReactor* CollectScanOrders(grpc::CallbackServerContext* context,
                                              const v1::CollectScanOrdersRequest* request,
                                              v1::CollectScanOrdersResponse* response) override {
    const auto collect = [this, request, response](Call& call) {
      return server::CollectScanOrders(backend_, *request, call.report(), response);
    };
    if (request->dry_run()) {
      return UnaryCall::Start(backend_, "CollectScanOrders", context, &backend_.storing(), collect);
    }
    return UnaryCall::StartChange(backend_, "CollectScanOrders", context, request->name(), collect);
  }

  grpc::ServerUnaryReactor* SetActiveScan(grpc::CallbackServerContext* context,
                                          const v1::SetActiveScanRequest* request,
                                          v1::SetActiveScanResponse* response) override {
    return UnaryCall::StartChange(
        backend_, "SetActiveScan", context, request->setting().order().name(),
        [this, request, response](Call& call) {
          return server::SetActiveScan(backend_, *request, call.report(), response);
        });
  }

  grpc::ServerUnaryReactor* RollbackActiveScan(grpc::CallbackServerContext* context,
                                               const v1::RollbackActiveScanRequest* request,
                                               v1::RollbackActiveScanResponse* response) override {
    return UnaryCall::StartChange(
        backend_, "RollbackActiveScan", context, "", [this, request, response](Call& call) {
          return server::RollbackActiveScan(backend_, *request, call.report(), response);
        });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeScanOrderService(Backend& backend) {
  return std::make_unique<ScanOrderService>(backend);
}

}  // namespace scanserve::server
