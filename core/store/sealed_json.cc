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

// How a text is laid out: as a line of its own, or indented.
constexpr int kLine = -1;
constexpr int kIndented = 2;

// Bad UTF-8 would throw; it becomes U+FFFD.
std::string Dump(const nlohmann::json& object, int layout) {
  return object.dump(layout, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Of the members but the checksum, sorted and without spaces.
std::string ChecksumOf(nlohmann::json object) {
  object.erase(kChecksum);
  return base::Sha256Hex(Dump(object, kLine));
}

std::string TextOf(const nlohmann::json& object, int layout) {
  return Dump(object, layout) + (layout == kLine ? "" : "\n");
}

std::string Sealed(nlohmann::json object, int layout) {
  object["format"] = kFormat;
  object[kChecksum] = ChecksumOf(object);
  return TextOf(object, layout);
}

absl::StatusOr<nlohmann::json> Parse(absl::string_view text, int layout) {
  nlohmann::json object =
      nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  int64_t format = 0;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(object, "format", format));
  if (format != kFormat && format != kFormatWithoutChecksum) {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", format, ", expected at most ", kFormat));
  }
  if (format == kFormatWithoutChecksum && layout == kIndented && !object.contains(kChecksum)) {
    return object;
  }
  std::string checksum;
  SCANSERVE_RETURN_IF_ERROR(order::ReadJsonField(object, kChecksum, checksum));
  // Spaces are not under the checksum.
  if (checksum != ChecksumOf(object) || text != TextOf(object, layout)) {
    return absl::InvalidArgumentError("its checksum is not that of its content");
  }
  return object;
}

}  // namespace

std::string SealedText(nlohmann::json object) { return Sealed(std::move(object), kIndented); }

absl::StatusOr<nlohmann::json> ParseSealed(absl::string_view text) {
  return Parse(text, kIndented);
}

std::string SealedLine(nlohmann::json object) { return Sealed(std::move(object), kLine); }

absl::StatusOr<nlohmann::json> ParseSealedLine(absl::string_view line) {
  return Parse(line, kLine);
}

}  // namespace scanserve::store
