#include "client/perplexity.h"

#include <thread>

#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stream =
    grpc::ClientReaderWriter<v1::ComputePerplexityRequest, v1::ComputePerplexityResponse>;

// Sends until the source or the call ends. A failed write is the call's matter, not the source's.
absl::Status SendAll(Stream& stream, const v1::PerplexitySettings& settings,
                     const DocumentPartSource& source) {
  v1::ComputePerplexityRequest request;
  *request.mutable_settings() = settings;
  bool open = stream.Write(request);
  while (open) {
    SCANSERVE_ASSIGN_OR_RETURN(auto part, source());
    if (!part) break;
    *request.mutable_document() = *std::move(part);
    open = stream.Write(request);
  }
  if (open) stream.WritesDone();
  return absl::OkStatus();
}

}  // namespace

absl::Status ComputePerplexity(Connection& connection, const v1::PerplexitySettings& settings,
                               const DocumentPartSource& source, const PerplexityHandler& handler) {
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto stream = stub.ComputePerplexity(call.context());
  absl::Status sent;
  std::thread sender([&] {
    sent = SendAll(*stream, settings, source);
    if (!sent.ok()) call.context()->TryCancel();
  });
  absl::Status handled;
  v1::ComputePerplexityResponse response;
  while (handled.ok() && stream->Read(&response)) handled = handler(response);
  if (!handled.ok()) call.context()->TryCancel();
  sender.join();
  const grpc::Status status = stream->Finish();
  SCANSERVE_RETURN_IF_ERROR(handled);
  SCANSERVE_RETURN_IF_ERROR(sent);
  return connection.FromGrpc(status);
}

}  // namespace scanserve::client
