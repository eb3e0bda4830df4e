// The subcommands of scanorder. Each call adds one to `program`.
#pragma once

#include "client/program.h"

namespace scanserve::client {

void AddCompute(Program& program);
void AddRun(Program& program);

}  // namespace scanserve::client
