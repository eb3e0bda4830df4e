// An experiment's record as the text of its file, and back.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/store/experiment_record.h"

namespace scanserve::store {

std::string ExperimentToText(const ExperimentRecord& record);
// INVALID_ARGUMENT naming the member that is missing or wrong, or the rule of the design that is
// broken.
absl::StatusOr<ExperimentRecord> ExperimentFromText(absl::string_view text);

}  // namespace scanserve::store
