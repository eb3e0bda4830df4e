// A status that says when to try again.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace scanserve::base {

// `status`, which is not OK, carrying `delay`, to the nanosecond; replaces an earlier one.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// What WithRetryDelay put there.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

}  // namespace scanserve::base
