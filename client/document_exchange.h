// A bidirectional call that takes settings, then documents, and answers meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/connection.h"
#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {

// The next part of a document, nothing after the last one. Called on a thread of its own, one call
// at a time; it waits while the server takes no more.
using DocumentPartSource = std::function<absl::StatusOr<std::optional<v1::DocumentPart>>()>;

// Sends until the source or the call ends, which a server may do before all was sent. A failed
// write is the call's matter, not the source's.
template <typename Stream, typename Request>
absl::Status SendDocuments(Stream& stream, Request first, const DocumentPartSource& source) {
  bool open = stream.Write(first);
  while (open) {
    SCANSERVE_ASSIGN_OR_RETURN(auto part, source());
    if (!part) break;
    *first.mutable_document() = *std::move(part);
    open = stream.Write(first);
  }
  if (open) stream.WritesDone();
  return absl::OkStatus();
}

// Runs the call that `open` begins to its end; `first` holds the settings. `handle` is called on
// this thread with each answer. An error of the source or of `handle` ends the call and is the
// result.
template <typename Request, typename Response>
absl::Status ExchangeDocuments(
    Connection& connection,
    const std::function<std::unique_ptr<grpc::ClientReaderWriter<Request, Response>>(
        v1::InferenceService::Stub&, grpc::ClientContext*)>& open,
    const Request& first, const DocumentPartSource& source,
    const std::function<absl::Status(const Response&)>& handle) {
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto stream = open(stub, call.context());
  absl::Status sent;
  std::thread sender([&] {
    sent = SendDocuments(*stream, first, source);
    if (!sent.ok()) call.context()->TryCancel();
  });
  absl::Status handled;
  Response response;
  while (handled.ok() && stream->Read(&response)) handled = handle(response);
  if (!handled.ok()) call.context()->TryCancel();
  sender.join();
  const grpc::Status status = stream->Finish();
  SCANSERVE_RETURN_IF_ERROR(handled);
  SCANSERVE_RETURN_IF_ERROR(sent);
  return connection.FromGrpc(status);
}

}  // namespace scanserve::client
