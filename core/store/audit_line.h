// An audit record as a line of a file: JSON under a checksum.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/store/audit_record.h"

namespace scanserve::store {

// Without its end, here and below.
std::string AuditLine(const AuditRecord& record);

// INVALID_ARGUMENT when AuditLine wrote no such line.
absl::StatusOr<AuditRecord> ParseAuditLine(absl::string_view line);

}  // namespace scanserve::store
