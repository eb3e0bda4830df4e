// Every option of the server, each said once: name, range, what it is and costs.
#pragma once

#include "server/option_table.h"
#include "server/server_options.h"

namespace scanserve::server {

// The table of all options, whose variables are the fields of `options`.
OptionTable RowsOf(ServerOptions& options);

}  // namespace scanserve::server
