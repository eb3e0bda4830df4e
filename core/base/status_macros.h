// Early returns for absl::Status and absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SCANSERVE_RETURN_IF_ERROR(expression)              \
  do {                                                     \
    absl::Status scanserve_status_ = (expression);         \
    if (!scanserve_status_.ok()) return scanserve_status_; \
  } while (false)

#define SCANSERVE_CONCAT_INNER_(a, b) a##b
#define SCANSERVE_CONCAT_(a, b) SCANSERVE_CONCAT_INNER_(a, b)

// SCANSERVE_ASSIGN_OR_RETURN(auto value, Call()): declares or assigns `value`, or returns the
// error.
#define SCANSERVE_ASSIGN_OR_RETURN(target, expression) \
  SCANSERVE_ASSIGN_OR_RETURN_(SCANSERVE_CONCAT_(scanserve_or_, __LINE__), target, expression)
#define SCANSERVE_ASSIGN_OR_RETURN_(holder, target, expression) \
  auto holder = (expression);                                   \
  if (!holder.ok()) return std::move(holder).status();          \
  target = *std::move(holder)
