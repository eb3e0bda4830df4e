// Who may call what: every RPC of our services with the role that it needs.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/access_token.h"

namespace scanserve::server {

struct MethodRole {
  absl::string_view service;
  absl::string_view method;
  base::Role role;
};

// Each RPC once; methods of different services have different names. An RPC that is missing here
// needs admin, and fails a test.
absl::Span<const MethodRole> MethodRoles();

// The role that a method of our services needs.
base::Role RoleOfMethod(absl::string_view method);

// The same of a path as HTTP/2 carries it ("/scanserve.v1.InferenceService/Generate"): nothing for
// health checks, which are open; admin for all that is not ours, reflection among it.
std::optional<base::Role> RoleOfPath(absl::string_view path);
// Whether the path is one of our services', whose calls our own wrapper checks.
bool IsOurs(absl::string_view path);

}  // namespace scanserve::server
