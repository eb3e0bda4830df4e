// AdapterService.UploadAdapter.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/adapter_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

grpc::ServerReadReactor<v1::UploadAdapterRequest>* StartAdapterUpload(
    Backend& backend, grpc::CallbackServerContext* context, v1::UploadAdapterResponse* response);

}  // namespace scanserve::server
