// A configuration file in TOML, as names and written values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/option_table.h"

namespace scanserve::server {

inline constexpr int64_t kMaxConfigFileBytes = 1 << 20;

struct ConfigEntry {
  std::string key;
  int line = 0;
  // How the value is written; nothing when it is of no kind that an option has (tables, dates).
  std::optional<OptionTable::Kind> kind;
  // As on a command line; several for a list.
  std::vector<std::string> texts;
};

// The top level of the file, in the order of the lines. INVALID_ARGUMENT names the file, the line
// and what is wrong; NOT_FOUND and UNAVAILABLE as ReadFile.
absl::StatusOr<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path);

}  // namespace scanserve::server
