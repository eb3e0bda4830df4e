// Experiments as a person reads them.
#pragma once

#include <string>

#include "scanserve/v1/experiment_service.pb.h"

namespace scanserve::client {

// "running", or why it ended: "guardrail: tour, errors".
std::string ExperimentStateText(const v1::Experiment& experiment);

// The whole of it, in `width` columns.
std::string ExperimentReport(const v1::GetExperimentResponse& response, int width, bool colour);

}  // namespace scanserve::client
