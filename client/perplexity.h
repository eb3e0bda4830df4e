// Scores documents that are produced while earlier ones are being scored.
#pragma once

#include <functional>

#include "client/document_exchange.h"

namespace scanserve::client {

// Called on the thread of the caller.
using PerplexityHandler = std::function<absl::Status(const v1::ComputePerplexityResponse&)>;

// Runs the call to its end. An error of the source or the handler ends it and becomes its result.
absl::Status ComputePerplexity(Connection& connection, const v1::PerplexitySettings& settings,
                               const DocumentPartSource& source, const PerplexityHandler& handler);

}  // namespace scanserve::client
