// Which scan setting requests get that name none, and the settings before it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/order/scan_order.h"
#include "core/store/order_record.h"

namespace scanserve::store {

// A scan setting whose order is pinned to one version. The default is identity.
struct ScanSetting {
  std::string order_name{kIdentityName};
  int64_t order_version = 0;
  std::string order_digest;
  std::vector<int32_t> target_layers;  // ascending, without repeats; empty means all
  order::Readout readout = order::Readout::kNaturalLast;

  // The version that this setting pins.
  OrderRef order_ref() const { return {order_name, order_version, order_digest}; }
  friend bool operator==(const ScanSetting&, const ScanSetting&) = default;
};

struct ActiveSetting {
  ScanSetting setting;
  int64_t revision = 0;  // the store's revision made by this activation; 0 before the first one
  absl::Time activated = absl::UnixEpoch();

  friend bool operator==(const ActiveSetting&, const ActiveSetting&) = default;
};

// No model has as many layers.
inline constexpr int32_t kMaxTargetLayer = 4095;

// What a caller asks to be active.
struct ScanSettingRequest {
  OrderRef order{std::string(kIdentityName), 0, ""};
  std::vector<int32_t> target_layers;  // in any order; empty means all
  order::Readout readout = order::Readout::kNaturalLast;
};

}  // namespace scanserve::store
