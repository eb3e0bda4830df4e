#include "core/store/sealed_json.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"
#include "core/order/json_field.h"

namespace scanserve::store {
namespace {

constexpr int64_t kFormat = 2;
constexpr int64_t kFormatWithoutChecksum = 1;
constexpr const char* kChecksum = "checksum";

// Of the members but the checksum, sorted and without spaces.
std::string ChecksumOf(nlohmann::json object) {
  object.erase(kChecksum);
  return base::Sha256Hex(object.dump());
}

std::string TextOf(const nlohmann::json& object) { return object.dump(2) + "\n"; }

}  // namespace

std::string SealedText(nlohmann::json object) {
  object["format"] = kFormat;
  object[kChecksum] = ChecksumOf(object);
  return TextOf(object);
}

absl::StatusOr<nlohmann::json> ParseSealed(absl::string_view text) {
  nlohmann::json object =
      nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  int64_t format = 0;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(object, "format", format));
  if (format != kFormat && format != kFormatWithoutChecksum) {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", format, ", expected at most ", kFormat));
  }
  if (format == kFormatWithoutChecksum && !object.contains(kChecksum)) return object;
  std::string checksum;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(object, kChecksum, checksum));
  // Spaces are not under the checksum.
  if (checksum != ChecksumOf(object) || text != TextOf(object)) {
    return absl::InvalidArgumentError("its checksum is not that of its content");
  }
  return object;
}

}  // namespace scanserve::store
