#include "server/perplexity_call.h"

#include "server/document_call.h"
#include "server/perplexity_run.h"

namespace scanserve::server {

grpc::ServerBidiReactor<v1::ComputePerplexityRequest, v1::ComputePerplexityResponse>*
StartPerplexity(Backend& backend, grpc::CallbackServerContext* context) {
  return DocumentCall<PerplexityRun, v1::ComputePerplexityRequest,
                      v1::ComputePerplexityResponse>::Start(backend, "ComputePerplexity", context);
}

}  // namespace scanserve::server
