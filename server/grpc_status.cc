#include "server/grpc_status.h"

#include <grpcpp/support/status.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/retry_delay.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace scanserve::server {
namespace {

constexpr size_t kMaxMessageBytes = 1024;

std::string Cut(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t end = kMaxMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(message.substr(0, end), "..");
}

std::string RetryDetails(grpc::StatusCode code, const std::string& message, absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &delay));
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay)));
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  return status.SerializeAsString();
}

}  // namespace

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  if (base::RetryDelay(status)) return status;
  return base::WithRetryDelay(std::move(status), delay);
}

absl::Status WithPrefix(const absl::Status& status, absl::string_view prefix) {
  absl::Status named(status.code(), absl::StrCat(prefix, status.message()));
  const auto delay = base::RetryDelay(status);
  return delay ? base::WithRetryDelay(std::move(named), *delay) : named;
}

bool IsOurFault(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

grpc::Status ToGrpcStatus(const absl::Status& status, const std::string& request_id) {
  if (status.ok()) return grpc::Status::OK;
  if (IsOurFault(status)) {
    return grpc::Status(
        grpc::StatusCode::INTERNAL,
        absl::StrCat("internal error; the server's log says more under request id ", request_id));
  }
  // Both enumerations are those of google.rpc.Code.
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = Cut(status.message());
  const auto delay = base::RetryDelay(status);
  if (!delay) return grpc::Status(code, message);
  return grpc::Status(code, message, RetryDetails(code, message, *delay));
}

}  // namespace scanserve::server
