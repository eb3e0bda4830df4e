#include "core/store/order_record.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace scanserve::store {
namespace {

bool IsNameByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

}  // namespace

absl::Status ValidateOrderName(absl::string_view name) {
  if (name == kIdentityName) {
    return absl::InvalidArgumentError("name identity is reserved for natural order");
  }
  return ValidateName(name);
}

absl::Status ValidateName(absl::string_view name) {
  const bool valid = !name.empty() && name.size() <= 64 && name[0] != '.' &&
                     std::all_of(name.begin(), name.end(), IsNameByte);
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("name ", QuotedForMessage(name),
                   ": expected 1 to 64 of [A-Za-z0-9._-], not starting with a dot"));
}

bool IsDigest(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

std::string QuotedForMessage(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, 64)), "\"",
                      text.size() > 64 ? absl::StrCat(" (", text.size(), " bytes)") : "");
}

}  // namespace scanserve::store
