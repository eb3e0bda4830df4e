// What InferenceService.Tokenize and Detokenize do.
#pragma once

#include "absl/status/status.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"

namespace scanserve::server {

// INVALID_ARGUMENT also when the answer would be larger than a message may be.
absl::Status Tokenize(const Backend& backend, const v1::TokenizeRequest& request,
                      v1::TokenizeResponse* response);
absl::Status Detokenize(const Backend& backend, const v1::DetokenizeRequest& request,
                        v1::DetokenizeResponse* response);

}  // namespace scanserve::server
