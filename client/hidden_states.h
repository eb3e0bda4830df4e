// Hidden states of a prompt, checked as they arrive.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/connection.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// Called on the thread of the caller. An error ends the call and becomes its result.
struct HiddenStatesSink {
  // Once, before any values.
  std::function<absl::Status(const v1::ExtractionStarted&)> on_started;
  // Little-endian float32 values, layer by layer in the order of `started`, rows ascending.
  // bfloat16 has been widened, which changes no value.
  std::function<absl::Status(absl::string_view values)> on_values;
};

// Runs the call to its end. DATA_LOSS when the chunks are not those that `started` announced.
absl::Status ExtractHiddenStates(Connection& connection,
                                 const v1::ExtractHiddenStatesRequest& request,
                                 const HiddenStatesSink& sink);

// bfloat16 values as float32 ones, both little endian; `values` has an even number of bytes.
std::string WidenBfloat16(absl::string_view values);

}  // namespace scanserve::client
