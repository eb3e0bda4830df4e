// InferenceService.ExtractHiddenStates.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

// Begins the call; `request` stays until it is done, as gRPC promises.
grpc::ServerWriteReactor<v1::ExtractHiddenStatesResponse>* StartExtract(
    Backend& backend, grpc::CallbackServerContext* context,
    const v1::ExtractHiddenStatesRequest* request);

}  // namespace scanserve::server
