// The parts of `scanctl adapters`.
#pragma once

#include "client/program.h"

namespace scanserve::client {

// load and upload.
void AddAdapterTransfers(CLI::App& adapters, Program& program);

}  // namespace scanserve::client
