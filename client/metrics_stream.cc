#include "client/metrics_stream.h"

#include "absl/strings/str_cat.h"

namespace scanserve::client {
namespace {

// Parts of one snapshot, of up to 1 MiB each.
constexpr int kMaxParts = 64;

v1::StreamMetricsRequest Request(absl::Duration interval) {
  v1::StreamMetricsRequest request;
  absl::Duration rest = interval;
  request.mutable_interval()->set_seconds(absl::IDivDuration(rest, absl::Seconds(1), &rest));
  request.mutable_interval()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return request;
}

}  // namespace

MetricsStream::MetricsStream(Connection& connection, absl::Duration interval)
    : connection_(connection),
      stub_(connection.channel()),
      call_(connection),
      reader_(stub_.StreamMetrics(call_.context(), Request(interval))) {}

MetricsStream::~MetricsStream() {
  if (reader_ == nullptr) return;
  call_.context()->TryCancel();
  reader_->Finish();
}

absl::StatusOr<MetricSnapshot> MetricsStream::Next() {
  if (reader_ == nullptr) return absl::FailedPreconditionError("the stream has ended");
  MetricSnapshot snapshot;
  v1::StreamMetricsResponse part;
  for (int parts = 0; parts < kMaxParts; ++parts) {
    if (!reader_->Read(&part)) {
      const absl::Status status = connection_.FromGrpc(reader_->Finish());
      reader_ = nullptr;
      if (!status.ok()) return status;
      return absl::DataLossError("the server ended the metrics without a reason");
    }
    snapshot.Add(part);
    if (part.complete()) return snapshot;
  }
  return absl::DataLossError(absl::StrCat("a snapshot has more than ", kMaxParts, " parts"));
}

}  // namespace scanserve::client
