// InferenceService.Generate.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

// Begins the call; `request` stays until it is done, as gRPC promises.
grpc::ServerWriteReactor<v1::GenerateResponse>* StartGenerate(Backend& backend,
                                                              grpc::CallbackServerContext* context,
                                                              const v1::GenerateRequest* request);

}  // namespace scanserve::server
