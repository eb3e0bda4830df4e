#include "core/model/tokenizer/json_node.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::model {
namespace {

constexpr int kMostLevels = 64;
constexpr int64_t kMostValues = 1 << 21;

absl::Status CheckShape(std::string_view text) {
  int levels = 0;
  int64_t values = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\';
    } else if (c == '[' || c == '{') {
      ++values;
      if (++levels > kMostLevels) {
        return absl::InvalidArgumentError(
            absl::StrCat("tokenizer.json: nested deeper than ", kMostLevels, " levels"));
      }
    } else if (c == ']' || c == '}') {
      --levels;
    } else if (c == ',') {
      ++values;
    }
  }
  if (values <= kMostValues) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer.json: ", values, " values, at most ", kMostValues, " are accepted"));
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text) {
  SCANSERVE_RETURN_IF_ERROR(CheckShape(text));
  nlohmann::json document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return absl::InvalidArgumentError("tokenizer.json: not complete, valid JSON");
  }
  return document;
}

absl::Status JsonNode::Error(const std::string& what) const {
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer.json: ", path_, path_.empty() ? "" : ": ", what));
}

absl::StatusOr<std::optional<JsonNode>> JsonNode::OptionalMember(const char* key) const {
  if (!value_->is_object()) return Error("not an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonNode(&*found, absl::StrCat(path_, path_.empty() ? "" : ".", key));
}

absl::StatusOr<JsonNode> JsonNode::Member(const char* key) const {
  SCANSERVE_ASSIGN_OR_RETURN(std::optional<JsonNode> member, OptionalMember(key));
  if (!member.has_value()) return Error(absl::StrCat("field ", key, " is missing"));
  return *std::move(member);
}

absl::StatusOr<std::vector<JsonNode>> JsonNode::Elements() const {
  if (!value_->is_array()) return Error("not a list");
  std::vector<JsonNode> elements;
  elements.reserve(value_->size());
  for (const nlohmann::json& element : *value_) {
    elements.emplace_back(&element, absl::StrCat(path_, "[", elements.size(), "]"));
  }
  return elements;
}

absl::StatusOr<std::string> JsonNode::String(const char* key) const {
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode member, Member(key));
  if (!member.value().is_string()) return member.Error("not a string");
  return member.value().get<std::string>();
}

absl::StatusOr<bool> JsonNode::Bool(const char* key) const {
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode member, Member(key));
  if (!member.value().is_boolean()) return member.Error("neither true nor false");
  return member.value().get<bool>();
}

absl::StatusOr<bool> JsonNode::Bool(const char* key, bool fallback) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<JsonNode> member, OptionalMember(key));
  if (!member.has_value()) return fallback;
  return Bool(key);
}

absl::StatusOr<std::string> JsonNode::String(const char* key, std::string_view fallback) const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<JsonNode> member, OptionalMember(key));
  if (!member.has_value()) return std::string(fallback);
  return String(key);
}

absl::StatusOr<std::vector<JsonNode>> FlattenSequence(const JsonNode& node, const char* list_key) {
  std::vector<JsonNode> flat;
  std::vector<JsonNode> pending = {node};  // the next one last
  while (!pending.empty()) {
    const JsonNode part = std::move(pending.back());
    pending.pop_back();
    SCANSERVE_ASSIGN_OR_RETURN(const std::string type, part.String("type"));
    if (type != "Sequence") {
      flat.push_back(part);
      continue;
    }
    SCANSERVE_ASSIGN_OR_RETURN(const JsonNode list, part.Member(list_key));
    SCANSERVE_ASSIGN_OR_RETURN(const std::vector<JsonNode> inner, list.Elements());
    pending.insert(pending.end(), inner.rbegin(), inner.rend());
  }
  return flat;
}

std::optional<int32_t> TokenIdOf(const nlohmann::json& value) {
  // Negative integers are stored as signed, all others as unsigned.
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t id = value.get<uint64_t>();
  if (id > static_cast<uint64_t>(kMostTokenId)) return std::nullopt;
  return static_cast<int32_t>(id);
}

std::string Quoted(std::string_view text) {
  const bool cut = text.size() > 64;
  const std::string shown(text.substr(0, 64));
  return absl::StrCat("\"", absl::Utf8SafeCEscape(shown), cut ? "..." : "", "\"");
}

}  // namespace scanserve::model
