// Scores documents that are produced while earlier ones are being scored.
#pragma once

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/connection.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// The next part of a document, nothing after the last one. Called on a thread of its own, one call
// at a time; it waits while the server takes no more.
using DocumentPartSource = std::function<absl::StatusOr<std::optional<v1::DocumentPart>>()>;

// Called on the thread of the caller.
using PerplexityHandler = std::function<absl::Status(const v1::ComputePerplexityResponse&)>;

// Runs the call to its end. An error of the source or the handler ends it and becomes its result.
absl::Status ComputePerplexity(Connection& connection, const v1::PerplexitySettings& settings,
                               const DocumentPartSource& source, const PerplexityHandler& handler);

}  // namespace scanserve::client
