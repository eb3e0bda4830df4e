// Priorities of requests.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

// What is unset is `otherwise`. INVALID_ARGUMENT names `field` when the value is unknown.
absl::StatusOr<runtime::Priority> PriorityFromProto(absl::string_view field, v1::Priority priority,
                                                    runtime::Priority otherwise);

}  // namespace scanserve::server
