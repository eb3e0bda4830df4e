// InferenceService.Compare.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

grpc::ServerBidiReactor<v1::CompareRequest, v1::CompareResponse>* StartCompare(
    Backend& backend, grpc::CallbackServerContext* context);

}  // namespace scanserve::server
