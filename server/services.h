// The services of the wire contract, each a class of its own behind gRPC's interface.
#pragma once

#include <memory>

#include "server/backend.h"

namespace grpc {
class Service;
}

namespace scanserve::server {

// `backend` outlives the service.
std::unique_ptr<grpc::Service> MakeInferenceService(Backend& backend);
std::unique_ptr<grpc::Service> MakeScanOrderService(Backend& backend);
std::unique_ptr<grpc::Service> MakeAdapterService(Backend& backend);
std::unique_ptr<grpc::Service> MakeExperimentService(Backend& backend);
std::unique_ptr<grpc::Service> MakeMonitoringService(Backend& backend);

}  // namespace scanserve::server
