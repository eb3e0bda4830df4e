// Finds out why a port cannot be opened.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace scanserve::server {

// Binds to the address and lets go of it. UNAVAILABLE with one sentence when that fails: the
// address is taken, not of this machine, or not permitted.
absl::Status ProbeListen(const std::string& host, int port);

}  // namespace scanserve::server
