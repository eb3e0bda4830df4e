// The parts of `scanctl orders`.
#pragma once

#include <string>

#include "client/program.h"

namespace scanserve::client {

// upload and download.
void AddOrderTransfers(CLI::App& orders, Program& program);
// activate, deactivate, rollback and history.
void AddOrderSwitches(CLI::App& orders, Program& program);
// check and gc.
void AddOrderChecks(CLI::App& orders, Program& program);

// The positional NAME[@VERSION], checked.
void AddOrderName(CLI::App& app, std::string& name);

}  // namespace scanserve::client
