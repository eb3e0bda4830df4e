#include "server/audit_handlers.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/convert_time.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

constexpr int32_t kMaxRecords = 1'000;
constexpr int32_t kDefaultRecords = 100;

// `unset` when there is no timestamp.
absl::StatusOr<absl::Time> TimeOr(absl::Time unset, absl::string_view field, bool is_set,
                                  const google::protobuf::Timestamp& timestamp) {
  if (!is_set) return unset;
  const absl::Time time = TimestampFromProto(timestamp);
  if (time != absl::InfinitePast()) return time;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", timestamp.seconds(), " s, ", timestamp.nanos(), " ns is no time"));
}

absl::StatusOr<store::AuditQuery> QueryFromProto(const v1::ReadAuditLogRequest& request) {
  SCANSERVE_RETURN_IF_ERROR(CheckRange("limit", request.limit(), 0, kMaxRecords));
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("before", request.before(), 0, std::numeric_limits<int64_t>::max()));
  store::AuditQuery query;
  query.limit = static_cast<size_t>(request.limit() == 0 ? kDefaultRecords : request.limit());
  query.before = request.before();
  SCANSERVE_ASSIGN_OR_RETURN(query.since,
                             TimeOr(query.since, "since", request.has_since(), request.since()));
  SCANSERVE_ASSIGN_OR_RETURN(query.until,
                             TimeOr(query.until, "until", request.has_until(), request.until()));
  query.method = request.method();
  query.name = request.name();
  query.caller = request.caller();
  return query;
}

v1::AuditRecord RecordToProto(const store::AuditRecord& record) {
  v1::AuditRecord proto;
  proto.set_number(record.number);
  *proto.mutable_time() = TimestampToProto(record.time);
  proto.set_caller(record.caller);
  proto.set_peer(record.peer);
  proto.set_method(record.method);
  proto.set_name(record.name);
  proto.set_version(record.version);
  proto.set_old_digest(record.old_digest);
  proto.set_new_digest(record.new_digest);
  proto.set_revision(record.revision);
  proto.set_code(record.code);
  proto.set_message(record.message);
  proto.set_request_id(record.request_id);
  proto.set_detail(record.detail);
  return proto;
}

}  // namespace

absl::Status ReadAuditLog(Backend& backend, const v1::ReadAuditLogRequest& request,
                          v1::ReadAuditLogResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(const store::AuditQuery query, QueryFromProto(request));
  const store::AuditTrail& trail =
      request.refused() ? backend.store().refusals() : backend.store().changes();
  SCANSERVE_ASSIGN_OR_RETURN(const store::AuditPage page, trail.Read(query));
  for (const store::AuditRecord& record : page.records) {
    *response->add_records() = RecordToProto(record);
  }
  response->set_next_before(page.next_before);
  response->set_lost(trail.lost());
  return absl::OkStatus();
}

}  // namespace scanserve::server
