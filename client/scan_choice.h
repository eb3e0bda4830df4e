// How a person names scan orders and adapters, as the messages that requests carry.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scanserve/v1/scan.pb.h"

namespace scanserve::client {

// "NAME", "NAME@VERSION" or "sha256:DIGEST". INVALID_ARGUMENT says which of them was meant.
absl::StatusOr<v1::ScanOrderRef> ParseScanOrderRef(absl::string_view text);
absl::StatusOr<v1::AdapterRef> ParseAdapterRef(absl::string_view text);

// "NAME@VERSION"; "identity" for an unset or empty order.
std::string ScanOrderText(const v1::ScanSetting& setting);
// "NAME@VERSION", "NAME@VERSION, merged", or "none" for an unset adapter.
std::string AdapterText(const v1::InForce& in_force);

// A setting in one line: "NAME@VERSION, layers 0,3, pin-last".
std::string ScanSettingText(const v1::ScanSetting& setting);

// The first 12 digits, for people; "-" for an empty digest.
std::string ShortDigest(absl::string_view digest);

}  // namespace scanserve::client
