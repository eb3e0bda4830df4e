// One change of the store, or one attempt, as it is told later.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace scanserve::store {

// Texts are valid UTF-8; whoever makes a record bounds them.
struct AuditRecord {
  int64_t number = 0;  // 1, 2, ..; given by AuditTrail
  absl::Time time;
  std::string caller;  // empty: not authenticated
  std::string peer;
  std::string method;
  std::string name;  // of the order, adapter or experiment
  int64_t version = 0;
  std::string old_digest;
  std::string new_digest;
  int64_t revision = 0;
  std::string code;
  std::string message;
  std::string request_id;
  std::string detail;

  friend bool operator==(const AuditRecord&, const AuditRecord&) = default;
};

}  // namespace scanserve::store
