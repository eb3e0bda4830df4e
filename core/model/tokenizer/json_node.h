// A value inside tokenizer.json with its path, so that every error says where it is and what is
// wrong. The document must outlive the node. Belongs to one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {

// Parses a document of at most 64 levels and 2,097,152 values: the parsed form of a text is many
// times its size, so that a short hostile one could fill the memory. INVALID_ARGUMENT otherwise.
absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text);

class JsonNode {
 public:
  JsonNode(const nlohmann::json* value, std::string path) : value_(value), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  // INVALID_ARGUMENT, "tokenizer.json: <path>: <what>".
  absl::Status Error(const std::string& what) const;

  // The member `key` of an object; INVALID_ARGUMENT when this is no object or `key` is missing or
  // null.
  absl::StatusOr<JsonNode> Member(const char* key) const;
  // The same, with no value for a missing or null `key`.
  absl::StatusOr<std::optional<JsonNode>> OptionalMember(const char* key) const;
  // The elements of an array; INVALID_ARGUMENT when this is none.
  absl::StatusOr<std::vector<JsonNode>> Elements() const;

  // Members of the given type, INVALID_ARGUMENT when missing or of another type.
  absl::StatusOr<std::string> String(const char* key) const;
  absl::StatusOr<bool> Bool(const char* key) const;
  // With a value for a missing or null member.
  absl::StatusOr<bool> Bool(const char* key, bool fallback) const;
  absl::StatusOr<std::string> String(const char* key, std::string_view fallback) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

// `node` itself or, when its type is Sequence, the parts that its list `list_key` holds, Sequences
// among them replaced by theirs. INVALID_ARGUMENT when a part has no type.
absl::StatusOr<std::vector<JsonNode>> FlattenSequence(const JsonNode& node, const char* list_key);

// An id of a token: an integer from 0 to kMostTokenId; no value otherwise.
inline constexpr int64_t kMostTokenId = (1 << 20) - 1;
std::optional<int32_t> TokenIdOf(const nlohmann::json& value);

// `text` between quotes, cut to 64 bytes and escaped: for messages.
std::string Quoted(std::string_view text);

}  // namespace scanserve::model
