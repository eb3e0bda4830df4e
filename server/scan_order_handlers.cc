#include "server/scan_order_handlers.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/convert_scan.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

constexpr int32_t kMaxHistory = 100;
constexpr int32_t kMaxKeptVersions = 1000;

template <typename Request>
std::optional<int64_t> ExpectedRevision(const Request& request) {
  if (!request.has_expected_revision()) return std::nullopt;
  return request.expected_revision();
}

void LogActive(const char* event, const store::ActiveSetting& active) {
  LogInfo(event, {{"order", active.setting.order_name},
                  {"version", active.setting.order_version},
                  {"digest", active.setting.order_digest},
                  {"target_layers", static_cast<int64_t>(active.setting.target_layers.size())},
                  {"revision", active.revision}});
}

}  // namespace

absl::Status ListScanOrders(const Backend& backend, v1::ListScanOrdersResponse* response) {
  for (const store::OrderRecord& record : backend.store().List()) {
    *response->add_orders() = OrderToProto(record);
  }
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status GetScanOrder(const Backend& backend, const v1::GetScanOrderRequest& request,
                          v1::GetScanOrderResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(const store::OrderRecord record,
                             backend.store().Get(OrderRefFromProto(request.order())));
  *response->mutable_order() = OrderToProto(record);
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status GetActiveScan(const Backend& backend, const v1::GetActiveScanRequest& request,
                           v1::GetActiveScanResponse* response) {
  SCANSERVE_RETURN_IF_ERROR(CheckRange("history_limit", request.history_limit(), 0, kMaxHistory));
  SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active, backend.scans().ActiveSetting());
  SCANSERVE_ASSIGN_OR_RETURN(const auto history, backend.scans().History());
  *response->mutable_active() = ActiveSettingToProto(active);
  for (const store::ActiveSetting& earlier : history) {
    if (response->history_size() == request.history_limit()) break;
    *response->add_history() = ActiveSettingToProto(earlier);
  }
  return absl::OkStatus();
}

absl::Status DeleteScanOrder(Backend& backend, const v1::DeleteScanOrderRequest& request,
                             v1::DeleteScanOrderResponse* response) {
  store::OrderRef ref = OrderRefFromProto(request.order());
  if (!ref.digest.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(const store::OrderRecord record, backend.store().Get(ref));
    ref.name = record.name;
    ref.version = record.version;
  }
  SCANSERVE_ASSIGN_OR_RETURN(const int64_t deleted, backend.store().Delete(ref.name, ref.version));
  LogInfo("scan order deleted",
          {{"name", ref.name}, {"version", ref.version}, {"versions_deleted", deleted}});
  response->set_deleted_versions(deleted);
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status CollectScanOrders(Backend& backend, const v1::CollectScanOrdersRequest& request,
                               v1::CollectScanOrdersResponse* response) {
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("keep_versions", request.keep_versions(), 1, kMaxKeptVersions));
  SCANSERVE_ASSIGN_OR_RETURN(
      const std::vector<store::CollectedOrder> collected,
      backend.store().Collect({request.keep_versions(), request.name(), request.dry_run()}));
  for (const store::CollectedOrder& order : collected) {
    *response->add_orders() = CollectedOrderToProto(order);
    if (order.fate != store::OrderFate::kRemoved) continue;
    response->set_removed_versions(response->removed_versions() + 1);
    response->set_removed_bytes(response->removed_bytes() + order.bytes);
    if (request.dry_run()) continue;
    LogInfo("scan order collected", {{"name", order.record.name},
                                     {"version", order.record.version},
                                     {"digest", order.record.digest}});
  }
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status SetActiveScan(Backend& backend, const v1::SetActiveScanRequest& request,
                           v1::SetActiveScanResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(const store::ScanSettingRequest setting,
                             ScanSettingFromProto(request.setting()));
  SCANSERVE_ASSIGN_OR_RETURN(
      const store::ActiveSetting active,
      backend.scans().SetActive(setting, ExpectedRevision(request), request.force()));
  LogActive("active scan set", active);
  *response->mutable_active() = ActiveSettingToProto(active);
  return absl::OkStatus();
}

absl::Status RollbackActiveScan(Backend& backend, const v1::RollbackActiveScanRequest& request,
                                v1::RollbackActiveScanResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active,
                             backend.scans().RollBack(ExpectedRevision(request)));
  LogActive("active scan rolled back", active);
  *response->mutable_active() = ActiveSettingToProto(active);
  return absl::OkStatus();
}

absl::Status StoreScanOrder(Backend& backend, const v1::UploadScanOrderHeader& header,
                            const std::string& npy, v1::UploadScanOrderResponse* response) {
  std::optional<order::Provenance> provenance;
  if (header.has_provenance()) {
    SCANSERVE_ASSIGN_OR_RETURN(provenance, ProvenanceFromProto(header.provenance()));
    if (!header.force()) {
      SCANSERVE_RETURN_IF_ERROR(backend.scans().CheckProvenance(*provenance));
    }
  }
  // Where equal content stands already, its provenance decides, whatever came with this one.
  const std::string forced_for_model = header.force() ? backend.model().digest : "";
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto stored,
      backend.store().Put(header.name(), npy, provenance, header.must_be_new(), forced_for_model));
  LogInfo("scan order stored", {{"name", stored.record.name},
                                {"version", stored.record.version},
                                {"digest", stored.record.digest},
                                {"created", stored.created}});
  *response->mutable_order() = OrderToProto(stored.record);
  response->set_created(stored.created);
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

}  // namespace scanserve::server
