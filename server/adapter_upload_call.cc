#include "server/adapter_upload_call.h"

#include <optional>
#include <string>
#include <utility>

#include "core/base/status_macros.h"
#include "core/store/order_record.h"
#include "server/adapter_handlers.h"
#include "server/field_checks.h"
#include "server/upload_reactor.h"

namespace scanserve::server {
namespace {

class AdapterUpload final : public UploadReactor<v1::UploadAdapterRequest> {
 public:
  AdapterUpload(Backend& backend, grpc::CallbackServerContext* context,
                v1::UploadAdapterResponse* response)
      : UploadReactor(backend, "UploadAdapter", context), response_(response) {}

 private:
  using Request = v1::UploadAdapterRequest;

  absl::Status Take(Request& part) override {
    if (part.has_header()) {
      if (header_) return absl::InvalidArgumentError("the header came twice");
      report().asked.name = part.header().name();
      SCANSERVE_RETURN_IF_ERROR(store::ValidateName(part.header().name()));
      header_ = part.header();
      return absl::OkStatus();
    }
    SCANSERVE_RETURN_IF_ERROR(CheckComplete());
    switch (part.part_case()) {
      case Request::kConfigChunk:
        return Append("config_chunk", part.config_chunk(), model::AdapterFiles::kMaxConfigBytes,
                      files_.config);
      case Request::kTensorsChunk:
        return Append("tensors_chunk", part.tensors_chunk(), model::AdapterFiles::kMaxTensorsBytes,
                      files_.tensors);
      case Request::kHeader:
      case Request::PART_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "a message holds neither header nor config_chunk nor tensors_chunk");
  }

  static absl::Status Append(const char* field, const std::string& chunk, int64_t limit,
                             std::string& file) {
    SCANSERVE_RETURN_IF_ERROR(
        CheckAtMost(field, static_cast<int64_t>(chunk.size()), kMaxUploadChunkBytes, "bytes"));
    file += chunk;
    return CheckAtMost(field, static_cast<int64_t>(file.size()), limit, "bytes of all chunks");
  }

  absl::Status CheckComplete() override {
    if (header_) return absl::OkStatus();
    return absl::InvalidArgumentError("the first message must be the header");
  }

  absl::Status Store() override {
    return StoreAdapter(backend(), *header_, std::move(files_), report(), response_);
  }

  v1::UploadAdapterResponse* const response_;
  std::optional<v1::AdapterStorage> header_;
  model::AdapterFiles files_;
};

}  // namespace

grpc::ServerReadReactor<v1::UploadAdapterRequest>* StartAdapterUpload(
    Backend& backend, grpc::CallbackServerContext* context, v1::UploadAdapterResponse* response) {
  auto* call = new AdapterUpload(backend, context, response);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
