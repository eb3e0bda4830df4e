// JSON files that carry a checksum of their content, so that no altered byte passes for content.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace scanserve::store {

// The text of `object` with members "format" and "checksum" added.
std::string SealedText(nlohmann::json object);

// The object of a text that SealedText wrote. Files of format 1, from before there was a checksum,
// are read too. INVALID_ARGUMENT when it is no such text, or was altered.
absl::StatusOr<nlohmann::json> ParseSealed(absl::string_view text);

// The same on one line, without its end, for files that grow by lines.
std::string SealedLine(nlohmann::json object);
absl::StatusOr<nlohmann::json> ParseSealedLine(absl::string_view line);

}  // namespace scanserve::store
