#include "client/perplexity.h"

namespace scanserve::client {

absl::Status ComputePerplexity(Connection& connection, const v1::PerplexitySettings& settings,
                               const DocumentPartSource& source, const PerplexityHandler& handler) {
  v1::ComputePerplexityRequest first;
  *first.mutable_settings() = settings;
  return ExchangeDocuments<v1::ComputePerplexityRequest, v1::ComputePerplexityResponse>(
      connection,
      [](v1::InferenceService::Stub& stub, grpc::ClientContext* context) {
        return stub.ComputePerplexity(context);
      },
      first, source, handler);
}

}  // namespace scanserve::client
