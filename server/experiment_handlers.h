// The unary RPCs of ExperimentService. All wait for the disk; those that change fill in `report`.
#pragma once

#include "absl/status/status.h"
#include "scanserve/v1/experiment_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

absl::Status CreateExperiment(Backend& backend, const v1::CreateExperimentRequest& request,
                              ChangeReport& report, v1::CreateExperimentResponse* response);
absl::Status GetExperiment(Backend& backend, const v1::GetExperimentRequest& request,
                           v1::GetExperimentResponse* response);
absl::Status ListExperiments(Backend& backend, v1::ListExperimentsResponse* response);
absl::Status StopExperiment(Backend& backend, const v1::StopExperimentRequest& request,
                            ChangeReport& report, v1::StopExperimentResponse* response);

}  // namespace scanserve::server
