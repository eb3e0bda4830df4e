// Experiments between the wire and core/experiment.
#pragma once

#include "absl/status/statusor.h"
#include "core/experiment/statistics.h"
#include "core/store/experiment_record.h"
#include "scanserve/v1/experiment_service.pb.h"

namespace scanserve::server {

// Defaults filled in, but for the salt. INVALID_ARGUMENT for an unknown metric and a time that is
// none; ranges are experiment::Validate's to check.
absl::StatusOr<experiment::Design> DesignFromProto(const v1::ExperimentDesign& proto);

v1::Experiment ExperimentToProto(const store::ExperimentRecord& record);
v1::ExperimentResults ExperimentResultsToProto(const experiment::Statistics& statistics);

}  // namespace scanserve::server
