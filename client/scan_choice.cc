#include "client/scan_choice.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/message_json.h"

namespace scanserve::client {
namespace {

constexpr size_t kDigestDigits = 64;
constexpr size_t kShortDigestDigits = 12;

// Names are checked by the server; what stands here only keeps the three forms apart.
template <typename Ref>
absl::StatusOr<Ref> ParseRef(absl::string_view text) {
  Ref ref;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "sha256:")) {
    const bool hex = std::all_of(rest.begin(), rest.end(), [](char digit) {
      return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
    });
    if (rest.size() != kDigestDigits || !hex) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", text, "\": after sha256: come 64 lower-case hex digits, not ", rest.size()));
    }
    ref.set_digest(std::string(rest));
    return ref;
  }
  const size_t at = text.rfind('@');
  int64_t version = 0;
  if (at != absl::string_view::npos &&
      (!absl::SimpleAtoi(text.substr(at + 1), &version) || version < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": a version is a number from 1 on, as in name@2"));
  }
  const absl::string_view name = text.substr(0, at);
  if (name.empty()) return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": no name"));
  ref.set_name(std::string(name));
  ref.set_version(version);
  return ref;
}

template <typename Ref>
std::string RefText(const Ref& ref) {
  if (ref.name().empty()) return absl::StrCat("sha256:", ShortDigest(ref.digest()));
  return ref.version() == 0 ? ref.name() : absl::StrCat(ref.name(), "@", ref.version());
}

}  // namespace

absl::StatusOr<v1::ScanOrderRef> ParseScanOrderRef(absl::string_view text) {
  return ParseRef<v1::ScanOrderRef>(text);
}

absl::StatusOr<v1::AdapterRef> ParseAdapterRef(absl::string_view text) {
  return ParseRef<v1::AdapterRef>(text);
}

std::string ScanOrderText(const v1::ScanSetting& setting) {
  const v1::ScanOrderRef& order = setting.order();
  if (order.digest().empty() && (order.name().empty() || order.name() == "identity")) {
    return "identity";
  }
  return RefText(order);
}

std::string AdapterText(const v1::InForce& in_force) {
  if (!in_force.has_adapter()) return "none";
  return absl::StrCat(RefText(in_force.adapter()), in_force.adapter_merged() ? ", merged" : "");
}

std::string ScanSettingText(const v1::ScanSetting& setting) {
  std::string text = ScanOrderText(setting);
  if (!setting.target_layers().empty()) {
    absl::StrAppend(&text, ", layers ", absl::StrJoin(setting.target_layers(), ","));
  }
  if (setting.readout() == v1::READOUT_PIN_LAST) absl::StrAppend(&text, ", pin-last");
  return text;
}

std::string ShortDigest(absl::string_view digest) {
  return digest.empty() ? "-" : std::string(digest.substr(0, kShortDigestDigits));
}

}  // namespace scanserve::client
