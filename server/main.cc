#include <iostream>
#include <optional>

#include "absl/status/statusor.h"
#include "server/option_reader.h"
#include "server/run_server.h"

int main(int argc, char** argv) {
  const auto options = scanserve::server::ReadOptions(argc, argv);
  if (options.ok() && !options->has_value()) return 0;
  const absl::Status status =
      options.ok() ? scanserve::server::RunServer(**options) : options.status();
  if (status.ok()) return 0;
  std::cerr << "scanserve-server: " << status.message() << std::endl;
  return 1;
}
