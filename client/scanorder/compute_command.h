// The command line of `scanorder compute`.
#pragma once

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace scanserve::client {

// Adds the command to `app`; when the command line names it, parsing runs it and leaves its outcome
// in `outcome`, which must outlive the parsing.
void AddComputeCommand(CLI::App& app, absl::Status& outcome);

}  // namespace scanserve::client
