// Files of audit records: a line for each record, in order of their numbers. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/store/audit_record.h"

namespace scanserve::store {

struct AuditFileContent {
  std::vector<AuditRecord> records;
  // Lines that hold no record: a crash while one was written, or damage. They are skipped.
  int64_t damaged_lines = 0;
  // Those of them after the last record.
  int64_t damaged_at_end = 0;
};

// NOT_FOUND; UNAVAILABLE when the system cannot read it.
absl::StatusOr<AuditFileContent> ReadAuditFile(const std::string& path);

// Adds records at the end, durably; makes the file when there is none. A torn line at its end stays
// a line of its own. UNAVAILABLE when the disk refuses, and then none is added. Two writers of one
// file need a lock.
absl::Status AppendToAuditFile(const std::string& path, absl::Span<const AuditRecord> records);

}  // namespace scanserve::store
