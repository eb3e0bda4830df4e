#include "server/scan_order_handlers.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

std::string DetailOf(const store::ScanSetting& setting) {
  return absl::StrCat(
      "layers=", setting.target_layers.empty() ? "all" : absl::StrJoin(setting.target_layers, ","),
      " readout=", setting.readout == order::Readout::kPinLast ? "pin_last" : "natural_last");
}

void ReportActive(const store::ActiveSetting& active, Change& change) {
  change.name = active.setting.order_name;
  change.version = active.setting.order_version;
  change.new_digest = active.setting.order_digest;
  change.revision = active.revision;
  change.detail = DetailOf(active.setting);
}

// Tells each version that was there and is not any more when this goes.
class RemovalWatch {
 public:
  RemovalWatch(const Backend& backend, std::vector<Change>& removed)
      : store_(backend.store()), removed_(removed), before_(store_.List()) {}
  ~RemovalWatch() {
    for (const store::OrderRecord& record : before_) {
      if (store_.Get({record.name, record.version, ""}).ok()) continue;
      removed_.push_back({record.name, record.version, record.digest, "", store_.revision(), ""});
    }
  }
  RemovalWatch(const RemovalWatch&) = delete;
  RemovalWatch& operator=(const RemovalWatch&) = delete;

 private:
  const store::DirectoryStore& store_;
  std::vector<Change>& removed_;
  const std::vector<store::OrderRecord> before_;
};

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
                             ChangeReport& report, v1::DeleteScanOrderResponse* response) {
  store::OrderRef ref = OrderRefFromProto(request.order());
  if (!ref.digest.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(const store::OrderRecord record, backend.store().Get(ref));
    ref.name = record.name;
    ref.version = record.version;
  }
  report.asked.name = ref.name;
  report.asked.version = ref.version;
  const RemovalWatch watch(backend, report.removed);
  SCANSERVE_ASSIGN_OR_RETURN(const int64_t deleted, backend.store().Delete(ref.name, ref.version));
  response->set_deleted_versions(deleted);
  report.asked.revision = backend.store().revision();
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status CollectScanOrders(Backend& backend, const v1::CollectScanOrdersRequest& request,
                               ChangeReport& report, v1::CollectScanOrdersResponse* response) {
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("keep_versions", request.keep_versions(), 1, kMaxKeptVersions));
  const RemovalWatch watch(backend, report.removed);
  SCANSERVE_ASSIGN_OR_RETURN(
      const std::vector<store::CollectedOrder> collected,
      backend.store().Collect({request.keep_versions(), request.name(), request.dry_run()}));
  for (const store::CollectedOrder& order : collected) {
    *response->add_orders() = CollectedOrderToProto(order);
    if (order.fate != store::OrderFate::kRemoved) continue;
    response->set_removed_versions(response->removed_versions() + 1);
    response->set_removed_bytes(response->removed_bytes() + order.bytes);
  }
  report.asked.revision = backend.store().revision();
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status SetActiveScan(Backend& backend, const v1::SetActiveScanRequest& request,
                           ChangeReport& report, v1::SetActiveScanResponse* response) {
  report.asked.version = request.setting().order().version();
  report.asked.old_digest = backend.scans().Active()->setting.order_digest;
  SCANSERVE_ASSIGN_OR_RETURN(const store::ScanSettingRequest setting,
                             ScanSettingFromProto(request.setting()));
  SCANSERVE_ASSIGN_OR_RETURN(
      const store::ActiveSetting active,
      backend.scans().SetActive(setting, ExpectedRevision(request), request.force()));
  ReportActive(active, report.asked);
  *response->mutable_active() = ActiveSettingToProto(active);
  return absl::OkStatus();
}

absl::Status RollbackActiveScan(Backend& backend, const v1::RollbackActiveScanRequest& request,
                                ChangeReport& report, v1::RollbackActiveScanResponse* response) {
  report.asked.old_digest = backend.scans().Active()->setting.order_digest;
  SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active,
                             backend.scans().RollBack(ExpectedRevision(request)));
  ReportActive(active, report.asked);
  *response->mutable_active() = ActiveSettingToProto(active);
  return absl::OkStatus();
}

absl::Status StoreScanOrder(Backend& backend, const v1::UploadScanOrderHeader& header,
                            const std::string& npy, ChangeReport& report,
                            v1::UploadScanOrderResponse* response) {
  std::optional<order::Provenance> provenance;
  if (header.has_provenance()) {
    SCANSERVE_ASSIGN_OR_RETURN(provenance, ProvenanceFromProto(header.provenance()));
    if (!header.force()) {
      SCANSERVE_RETURN_IF_ERROR(backend.scans().CheckProvenance(*provenance));
    }
  }
  if (const auto newest = backend.store().Get({header.name(), 0, ""}); newest.ok()) {
    report.asked.old_digest = newest->digest;
  }
  // Where equal content stands already, its provenance decides, whatever came with this one.
  const std::string forced_for_model = header.force() ? backend.model().digest : "";
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto stored,
      backend.store().Put(header.name(), npy, provenance, header.must_be_new(), forced_for_model));
  report.asked.version = stored.record.version;
  report.asked.new_digest = stored.record.digest;
  report.asked.revision = backend.store().revision();
  report.asked.detail = stored.created ? "created" : "was there";
  *response->mutable_order() = OrderToProto(stored.record);
  response->set_created(stored.created);
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

}  // namespace scanserve::server
