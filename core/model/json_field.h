// Typed reading of JSON fields with errors that name the field, its value and what is accepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include "absl/strings/string_view.h"

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {

// Parses a JSON object. INVALID_ARGUMENT, beginning with `what`, when `text` is none or nests
// deeper than kMaxJsonDepth (json_shape.h).
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text, absl::string_view what);

// Each returns no value when `key` is missing or null, and INVALID_ARGUMENT when it has another
// type or lies outside [least, most].
absl::StatusOr<std::optional<int64_t>> IntField(const nlohmann::json& object, const char* key,
                                                int64_t least, int64_t most);
absl::StatusOr<std::optional<double>> NumberField(const nlohmann::json& object, const char* key,
                                                  double least, double most);
absl::StatusOr<std::optional<bool>> BoolField(const nlohmann::json& object, const char* key);
absl::StatusOr<std::optional<std::string>> StringField(const nlohmann::json& object,
                                                       const char* key);
// A list of integers, or one integer as a list of one; empty when missing or null.
absl::StatusOr<std::vector<int32_t>> IdListField(const nlohmann::json& object, const char* key,
                                                 int64_t most);

// The value as JSON, cut to 64 bytes: for messages.
std::string ShortJson(const nlohmann::json& value);

}  // namespace scanserve::model
