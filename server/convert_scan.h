// Scan orders and settings between the store's types and protobuf's.
#pragma once

#include "absl/status/statusor.h"
#include "core/order/provenance.h"
#include "core/store/active_setting.h"
#include "core/store/collected_order.h"
#include "core/store/order_record.h"
#include "scanserve/v1/scan.pb.h"
#include "scanserve/v1/scan_order_service.pb.h"

namespace scanserve::server {

store::OrderRef OrderRefFromProto(const v1::ScanOrderRef& ref);
// Whether the layers exist is the selector's to check. INVALID_ARGUMENT for an unknown readout.
absl::StatusOr<store::ScanSettingRequest> ScanSettingFromProto(const v1::ScanSetting& setting);
// INVALID_ARGUMENT naming the field: texts are at most 128 bytes, digests empty or 64 hex digits,
// lengths finite.
absl::StatusOr<order::Provenance> ProvenanceFromProto(const v1::Provenance& proto);

v1::Provenance ProvenanceToProto(const order::Provenance& provenance);
v1::ScanOrder OrderToProto(const store::OrderRecord& record);
v1::ScanSetting ScanSettingToProto(const store::ScanSetting& setting);
v1::CollectedScanOrder CollectedOrderToProto(const store::CollectedOrder& order);
v1::ActiveSetting ActiveSettingToProto(const store::ActiveSetting& active);

}  // namespace scanserve::server
