#include "core/model/json_field.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/json_shape.h"

namespace scanserve::model {
namespace {

absl::Status WrongField(const char* key, const nlohmann::json& value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("field ", key, ": ", ShortJson(value), ", expected ", expected));
}

const nlohmann::json* Find(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool IsIntegerWithin(const nlohmann::json& value, int64_t least, int64_t most) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return false;
  }
  const int64_t number = value.get<int64_t>();
  return number >= least && number <= most;
}

}  // namespace

std::string ShortJson(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 64) text = absl::StrCat(text.substr(0, 61), "...");
  return text;
}

absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text, absl::string_view what) {
  const JsonShape shape = ReadJsonShape(text);
  if (shape.too_deep) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": nested deeper than ", kMaxJsonDepth, " levels"));
  }
  if (!shape.valid) return absl::InvalidArgumentError(absl::StrCat(what, ": not valid JSON"));
  nlohmann::json parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": not a JSON object"));
  }
  return parsed;
}

absl::StatusOr<std::optional<int64_t>> IntField(const nlohmann::json& object, const char* key,
                                                int64_t least, int64_t most) {
  const nlohmann::json* value = Find(object, key);
  if (value == nullptr) return std::nullopt;
  if (!IsIntegerWithin(*value, least, most)) {
    return WrongField(key, *value, absl::StrCat("an integer from ", least, " to ", most));
  }
  return value->get<int64_t>();
}

absl::StatusOr<std::optional<double>> NumberField(const nlohmann::json& object, const char* key,
                                                  double least, double most) {
  const nlohmann::json* value = Find(object, key);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : NAN;
  if (!(number >= least && number <= most)) {
    return WrongField(key, *value, absl::StrCat("a number from ", least, " to ", most));
  }
  return number;
}

absl::StatusOr<std::optional<bool>> BoolField(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = Find(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) return WrongField(key, *value, "true or false");
  return value->get<bool>();
}

absl::StatusOr<std::optional<std::string>> StringField(const nlohmann::json& object,
                                                       const char* key) {
  const nlohmann::json* value = Find(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return WrongField(key, *value, "a string");
  return value->get<std::string>();
}

absl::StatusOr<std::vector<int32_t>> IdListField(const nlohmann::json& object, const char* key,
                                                 int64_t most) {
  std::vector<int32_t> ids;
  const nlohmann::json* value = Find(object, key);
  if (value == nullptr) return ids;
  const nlohmann::json list = value->is_array() ? *value : nlohmann::json::array({*value});
  for (const nlohmann::json& item : list) {
    if (!IsIntegerWithin(item, 0, most)) {
      return WrongField(key, *value, absl::StrCat("token ids from 0 to ", most));
    }
    ids.push_back(item.get<int32_t>());
  }
  return ids;
}

}  // namespace scanserve::model
