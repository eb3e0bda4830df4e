#include "server/scan_selector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/field_checks.h"

namespace scanserve::server {

ScanSelector::ScanSelector(store::DirectoryStore& store, ServedModel model)
    : store_(store), model_(std::move(model)) {}

absl::StatusOr<std::unique_ptr<ScanSelector>> ScanSelector::Create(store::DirectoryStore& store,
                                                                   ServedModel model) {
  auto selector = std::unique_ptr<ScanSelector>(new ScanSelector(store, std::move(model)));
  SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active, selector->ActiveSetting());
  auto pinned = selector->Load(active.setting, active.revision);
  if (!pinned.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the active scan setting cannot be served: ", pinned.status().message()));
  }
  selector->Swap(*std::move(pinned));
  return selector;
}

std::shared_ptr<const PinnedScan> ScanSelector::Active() const {
  base::MutexLock lock(mutex_);
  return active_;
}

ScanSelector::Served ScanSelector::served() const {
  base::MutexLock lock(mutex_);
  return {active_, switches_};
}

std::shared_ptr<const PinnedScan> ScanSelector::Identity() const {
  auto identity = std::make_shared<PinnedScan>();
  identity->revision = store_.revision();
  return identity;
}

absl::StatusOr<std::shared_ptr<const PinnedScan>> ScanSelector::Pin(
    const store::ScanSettingRequest& request) const {
  const int64_t revision = store_.revision();
  SCANSERVE_ASSIGN_OR_RETURN(const store::OrderRecord record, store_.Get(request.order));
  SCANSERVE_RETURN_IF_ERROR(CheckUse(record));
  return Load(record, request, revision);
}

absl::Status ScanSelector::CheckUse(const store::OrderRecord& record) const {
  if (!record.provenance || record.forced_for_model == model_.digest) return absl::OkStatus();
  const absl::Status fits = CheckProvenance(*record.provenance);
  if (fits.ok()) return fits;
  return absl::Status(fits.code(), absl::StrCat("order ", record.name, " version ", record.version,
                                                ": ", fits.message(), " when it is uploaded"));
}

absl::StatusOr<std::shared_ptr<const PinnedScan>> ScanSelector::Load(
    const store::OrderRecord& record, const store::ScanSettingRequest& request,
    int64_t revision) const {
  store::ScanSetting setting;
  setting.order_name = record.name;
  setting.order_version = record.version;
  setting.order_digest = record.digest;
  setting.target_layers = request.target_layers;
  std::sort(setting.target_layers.begin(), setting.target_layers.end());
  setting.readout = request.readout;
  return Load(setting, revision);
}

absl::StatusOr<std::shared_ptr<const PinnedScan>> ScanSelector::Load(
    const store::ScanSetting& setting, int64_t revision) const {
  SCANSERVE_RETURN_IF_ERROR(CheckLayers(setting.target_layers));
  SCANSERVE_ASSIGN_OR_RETURN(store::LoadedOrder loaded, store_.Load(setting.order_ref()));
  auto pinned = std::make_shared<PinnedScan>();
  pinned->setting = setting;
  pinned->revision = revision;
  pinned->applied.order = std::move(loaded.order);
  pinned->applied.readout = setting.readout;
  const bool all_layers = static_cast<int64_t>(setting.target_layers.size()) == model_.num_layers;
  if (pinned->permutes() && !all_layers) pinned->applied.target_layers = setting.target_layers;
  return pinned;
}

absl::Status ScanSelector::CheckLayers(const std::vector<int32_t>& layers) const {
  for (const int32_t layer : layers) {
    SCANSERVE_RETURN_IF_ERROR(CheckRange("target_layers", layer, 0, model_.num_layers - 1));
  }
  const auto repeated = std::adjacent_find(layers.begin(), layers.end());
  if (repeated == layers.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("target_layers: layer ", *repeated, " is named twice"));
}

absl::StatusOr<store::ActiveSetting> ScanSelector::SetActive(
    const store::ScanSettingRequest& request, std::optional<int64_t> expected_revision,
    bool force) {
  base::MutexLock change(changes_);
  SCANSERVE_ASSIGN_OR_RETURN(const store::OrderRecord record, store_.Get(request.order));
  if (record.provenance && !force) {
    SCANSERVE_RETURN_IF_ERROR(CheckProvenance(*record.provenance));
  }
  // Loaded first: what cannot be served must not become active.
  SCANSERVE_ASSIGN_OR_RETURN(const auto loaded, Load(record, request, 0));
  SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active,
                             store_.SetActive(model_.digest, request, expected_revision));
  SCANSERVE_ASSIGN_OR_RETURN(auto pinned, Load(active.setting, active.revision));
  Swap(std::move(pinned));
  return active;
}

absl::StatusOr<store::ActiveSetting> ScanSelector::RollBack(
    std::optional<int64_t> expected_revision) {
  base::MutexLock change(changes_);
  SCANSERVE_ASSIGN_OR_RETURN(const auto history, History());
  std::shared_ptr<const PinnedScan> loaded;
  if (!history.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(loaded, Load(history.front().setting, 0));
  }
  SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active,
                             store_.RollBack(model_.digest, expected_revision));
  SCANSERVE_ASSIGN_OR_RETURN(auto pinned, Load(active.setting, active.revision));
  Swap(std::move(pinned));
  return active;
}

absl::StatusOr<store::ActiveSetting> ScanSelector::ActiveSetting() const {
  return store_.GetActive(model_.digest);
}

absl::StatusOr<std::vector<store::ActiveSetting>> ScanSelector::History() const {
  return store_.History(model_.digest);
}

absl::Status ScanSelector::CheckProvenance(const order::Provenance& provenance) const {
  const auto check = [](absl::string_view what, const std::string& theirs,
                        const std::string& ours) -> absl::Status {
    if (theirs.empty() || theirs == ours) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("the order was computed with ", what, " ",
                                                      theirs.substr(0, 12), ", the one served is ",
                                                      ours.substr(0, 12), "; `force` accepts it"));
  };
  SCANSERVE_RETURN_IF_ERROR(check("model", provenance.model_digest, model_.digest));
  return check("tokenizer", provenance.tokenizer_digest, model_.tokenizer_digest);
}

void ScanSelector::Swap(std::shared_ptr<const PinnedScan> scan) {
  base::MutexLock lock(mutex_);
  if (active_ != nullptr && active_->revision != scan->revision) ++switches_;
  active_.swap(scan);
}

}  // namespace scanserve::server
