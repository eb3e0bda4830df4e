#include "server/convert_priority.h"

#include "absl/strings/str_cat.h"

namespace scanserve::server {

absl::StatusOr<runtime::Priority> PriorityFromProto(absl::string_view field, v1::Priority priority,
                                                    runtime::Priority otherwise) {
  switch (priority) {
    case v1::PRIORITY_UNSPECIFIED:
      return otherwise;
    case v1::PRIORITY_NORMAL:
      return runtime::Priority::kNormal;
    case v1::PRIORITY_LOW:
      return runtime::Priority::kLow;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(field, ": ", priority, ", must be PRIORITY_NORMAL or PRIORITY_LOW"));
  }
}

}  // namespace scanserve::server
