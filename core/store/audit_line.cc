#include "core/store/audit_line.h"

#include "core/base/status_macros.h"
#include "core/order/json_field.h"
#include "core/store/sealed_json.h"

namespace scanserve::store {

std::string AuditLine(const AuditRecord& record) {
  return SealedLine({{"number", record.number},
                     {"time", order::JsonTime(record.time)},
                     {"caller", record.caller},
                     {"peer", record.peer},
                     {"method", record.method},
                     {"name", record.name},
                     {"version", record.version},
                     {"old_digest", record.old_digest},
                     {"new_digest", record.new_digest},
                     {"revision", record.revision},
                     {"code", record.code},
                     {"message", record.message},
                     {"request_id", record.request_id},
                     {"detail", record.detail}});
}

absl::StatusOr<AuditRecord> ParseAuditLine(absl::string_view line) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json, ParseSealedLine(line));
  AuditRecord record;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "number", record.number));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "time", record.time));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "version", record.version));
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, "revision", record.revision));
  const std::pair<const char*, std::string*> texts[] = {{"caller", &record.caller},
                                                        {"peer", &record.peer},
                                                        {"method", &record.method},
                                                        {"name", &record.name},
                                                        {"old_digest", &record.old_digest},
                                                        {"new_digest", &record.new_digest},
                                                        {"code", &record.code},
                                                        {"message", &record.message},
                                                        {"request_id", &record.request_id},
                                                        {"detail", &record.detail}};
  for (const auto& [field, text] : texts) {
    SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(json, field, *text));
  }
  return record;
}

}  // namespace scanserve::store
