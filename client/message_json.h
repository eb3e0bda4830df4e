// Messages of the wire contract as JSON for scripts.
//
// Fields carry the names of the .proto files. Numbers are numbers, 64-bit ones too. Enum values are
// written as on the command line ("natural-last"), timestamps as RFC 3339 in UTC, durations in
// seconds, bytes in base64. Fields with presence and messages appear when they are set, all other
// fields always. Infinities and NaN become null, bytes that are not UTF-8 U+FFFD.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/generated_enum_reflection.h"
#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace scanserve::client {

using Json = nlohmann::ordered_json;

Json MessageToJson(const google::protobuf::Message& message);

// The member of the oneof `event` that is set, as {"event": its name, its fields ..}; nothing for a
// kind of event that this program does not know.
std::optional<Json> EventToJson(const google::protobuf::Message& message);

// One line with its line break.
std::string JsonLine(const Json& json);

// An enum value without its prefix, in lower case with hyphens: READOUT_NATURAL_LAST is
// "natural-last". A number that has no name is written as a number.
std::string EnumText(const google::protobuf::EnumDescriptor* type, int number);

template <typename Enum>
std::string EnumText(Enum value) {
  return EnumText(google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

// The value that EnumText writes as `text`; nothing when there is none.
std::optional<int> EnumNumber(const google::protobuf::EnumDescriptor* type, absl::string_view text);

template <typename Enum>
std::optional<Enum> ParseEnum(absl::string_view text) {
  const auto number = EnumNumber(google::protobuf::GetEnumDescriptor<Enum>(), text);
  if (!number) return std::nullopt;
  return static_cast<Enum>(*number);
}

}  // namespace scanserve::client
