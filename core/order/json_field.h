// Typed, checked reading of one member of a JSON object that came from a file.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace scanserve::order {

inline absl::Status JsonFieldError(absl::string_view name, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("field ", name, ": expected ", expected));
}

// Each reads object[name] into `value`; INVALID_ARGUMENT naming the field when `object` is no
// object, or the field is missing, of another type or out of the type's range.
inline absl::Status ReadJsonField(const nlohmann::json& object, const char* name,
                                  std::string& value) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return JsonFieldError(name, "a string");
  value = found->get<std::string>();
  return absl::OkStatus();
}

template <typename Integer>
requires std::is_integral_v<Integer> absl::Status ReadJsonField(const nlohmann::json& object,
                                                                const char* name, Integer& value) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer() ||
      (found->is_number_unsigned() &&
       found->template get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})) {
    return JsonFieldError(name, "an integer");
  }
  const int64_t wide = found->template get<int64_t>();
  if (!std::in_range<Integer>(wide)) return JsonFieldError(name, "an integer in range");
  value = static_cast<Integer>(wide);
  return absl::OkStatus();
}

inline absl::Status ReadJsonField(const nlohmann::json& object, const char* name, double& value) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return JsonFieldError(name, "a number");
  value = found->get<double>();
  return absl::OkStatus();
}

inline absl::Status ReadJsonField(const nlohmann::json& object, const char* name,
                                  absl::Time& value) {
  const auto found = object.find(name);
  std::string error;
  if (found == object.end() || !found->is_string() ||
      !absl::ParseTime(absl::RFC3339_full, found->get_ref<const std::string&>(), &value, &error)) {
    return JsonFieldError(name, "a time as in RFC 3339");
  }
  return absl::OkStatus();
}

// The form that ReadJsonField reads.
inline std::string JsonTime(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

}  // namespace scanserve::order
