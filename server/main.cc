#include <malloc.h>

#include <iostream>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/option_reader.h"
#include "server/run_server.h"

namespace {

// glibc raises its threshold to the largest block that was freed; then states and activations come
// from the heap, the holes that they leave are filled with small blocks, and the heap grows with
// every request for a long time. A threshold that is set stays.
constexpr int kMappedBlockBytes = 128 << 10;

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, kMappedBlockBytes);
  const auto options = scanserve::server::ReadOptions(argc, argv);
  if (options.ok() && !options->has_value()) return 0;
  const auto read_level = [argc, argv]() -> absl::StatusOr<std::string> {
    const auto again = scanserve::server::ReadOptions(argc, argv);
    if (!again.ok()) return again.status();
    return (*again)->log.level;
  };
  const absl::Status status =
      options.ok() ? scanserve::server::RunServer(**options, read_level) : options.status();
  if (status.ok()) return 0;
  std::cerr << "scanserve-server: " << status.message() << std::endl;
  return 1;
}
