#include "server/compare_call.h"

#include "server/compare_run.h"
#include "server/document_call.h"

namespace scanserve::server {

grpc::ServerBidiReactor<v1::CompareRequest, v1::CompareResponse>* StartCompare(
    Backend& backend, grpc::CallbackServerContext* context) {
  return DocumentCall<CompareRun, v1::CompareRequest, v1::CompareResponse>::Start(
      backend, "Compare", context);
}

}  // namespace scanserve::server
