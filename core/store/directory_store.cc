#include "core/store/directory_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"
#include "core/store/folder_listing.h"
#include "core/store/folder_lock.h"

namespace scanserve::store {
namespace {

constexpr size_t kMaxHistory = 101;  // the active setting and 100 before it

absl::Status CheckModelDigest(absl::string_view digest) {
  if (IsDigest(digest)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("model digest ", QuotedForMessage(digest), ": expected 64 hex digits"));
}

absl::Status CheckRevision(const ActiveSetting& active, std::optional<int64_t> expected_revision) {
  if (!expected_revision || *expected_revision == active.revision) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("expected_revision ", *expected_revision,
                                         ": the active setting is of revision ", active.revision));
}

}  // namespace

DirectoryStore::DirectoryStore(const StoreOptions& options, base::FileDescriptor lock)
    : options_(options),
      lock_(std::move(lock)),
      order_folder_(absl::StrCat(options.folder, "/orders")),
      active_folder_(absl::StrCat(options.folder, "/active")),
      adapters_(absl::StrCat(options.folder, "/adapters"),
                {options.max_adapters, options.max_bytes}, changes_,
                [this] { return OrderBytes(); }),
      experiments_(absl::StrCat(options.folder, "/experiments"), changes_),
      audit_changes_(absl::StrCat(options.folder, "/audit/changes"), options.audit_records),
      audit_refusals_(absl::StrCat(options.folder, "/audit/refused"), options.refused_records) {}

absl::StatusOr<std::unique_ptr<DirectoryStore>> DirectoryStore::Open(const StoreOptions& options) {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(options.folder));
  SCANSERVE_ASSIGN_OR_RETURN(base::FileDescriptor lock, LockFolder(options.folder));
  std::unique_ptr<DirectoryStore> store(new DirectoryStore(options, std::move(lock)));
  SCANSERVE_RETURN_IF_ERROR(store->ReadFolders());
  return store;
}

absl::Status DirectoryStore::ReadFolders() {
  SCANSERVE_RETURN_IF_ERROR(adapters_.Open(warnings_));
  SCANSERVE_RETURN_IF_ERROR(experiments_.Open(warnings_));
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(absl::StrCat(options_.folder, "/audit")));
  SCANSERVE_RETURN_IF_ERROR(audit_changes_.Open(warnings_));
  SCANSERVE_RETURN_IF_ERROR(audit_refusals_.Open(warnings_));
  base::MutexLock lock(mutex_);
  SCANSERVE_ASSIGN_OR_RETURN(const StoredOrders stored, order_folder_.ReadAll(warnings_));
  orders_ = OrderTable(stored);
  SCANSERVE_ASSIGN_OR_RETURN(active_, active_folder_.ReadAll(warnings_));
  for (const auto& [model_digest, history] : active_) {
    revision_ = std::max(revision_, history.back().revision);
    const absl::Status found = orders_.Find(history.back().setting.order_ref()).status();
    if (!found.ok()) {
      warnings_.push_back(absl::StrCat("the active setting of model ", model_digest.substr(0, 12),
                                       " cannot be served: ", found.message()));
    }
  }
  last_success_ = absl::Now();
  return absl::OkStatus();
}

absl::StatusOr<DirectoryStore::PutResult> DirectoryStore::Put(
    absl::string_view name, absl::string_view npy,
    const std::optional<order::Provenance>& provenance, bool must_be_new,
    const std::string& forced_for_model) {
  SCANSERVE_RETURN_IF_ERROR(ValidateOrderName(name));
  if (provenance) SCANSERVE_RETURN_IF_ERROR(order::ValidateProvenance(*provenance));
  SCANSERVE_ASSIGN_OR_RETURN(const auto order, order::ScanOrder::FromNpy(npy));
  OrderRecord record;
  record.name = std::string(name);
  record.digest = order->digest();
  record.length = order->size();
  record.file_sha256 = base::Sha256Hex(npy);
  record.provenance = provenance;
  record.forced_for_model = forced_for_model;
  base::MutexLock change(changes_);
  std::optional<OrderRecord> equal;
  {
    base::MutexLock lock(mutex_);
    SCANSERVE_ASSIGN_OR_RETURN(equal, orders_.FindEqual(record, must_be_new));
    if (!equal) SCANSERVE_RETURN_IF_ERROR(CheckRoom(OrderFolder::BytesNeeded(npy, *order)));
  }
  if (equal) return Force(*std::move(equal), forced_for_model);
  record.created = absl::Now();
  SCANSERVE_ASSIGN_OR_RETURN(const int64_t bytes, order_folder_.Write(record, npy, *order));
  base::MutexLock lock(mutex_);
  orders_.Add(record, bytes);
  last_success_ = absl::Now();
  return PutResult{std::move(record), true};
}

absl::StatusOr<DirectoryStore::PutResult> DirectoryStore::Force(OrderRecord record,
                                                                const std::string& model_digest) {
  if (model_digest.empty() || model_digest == record.forced_for_model) {
    return PutResult{std::move(record), false};
  }
  record.forced_for_model = model_digest;
  SCANSERVE_ASSIGN_OR_RETURN(const int64_t more_bytes, order_folder_.RewriteSidecar(record));
  base::MutexLock lock(mutex_);
  orders_.Update(record, more_bytes);
  return PutResult{std::move(record), false};
}

int64_t DirectoryStore::OrderBytes() const {
  base::MutexLock lock(mutex_);
  return orders_.bytes();
}

absl::Status DirectoryStore::CheckRoom(int64_t new_bytes) const {
  const int64_t count = orders_.order_count();
  if (count >= options_.max_orders) {
    return absl::InvalidArgumentError(
        absl::StrCat("the store holds ", count, " orders, the limit is ", options_.max_orders));
  }
  const int64_t bytes = orders_.bytes() + adapters_.bytes();
  if (new_bytes > options_.max_bytes - bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the store holds ", bytes, " bytes, with ",
                                                   new_bytes, " more it passes its limit of ",
                                                   options_.max_bytes));
  }
  return absl::OkStatus();
}

std::vector<OrderRecord> DirectoryStore::List() const {
  base::MutexLock lock(mutex_);
  return orders_.List();
}

absl::StatusOr<OrderRecord> DirectoryStore::Get(const OrderRef& ref) const {
  base::MutexLock lock(mutex_);
  return orders_.Find(ref);
}

absl::StatusOr<LoadedOrder> DirectoryStore::Load(const OrderRef& ref) {
  OrderRecord record;
  {
    base::MutexLock lock(mutex_);
    SCANSERVE_ASSIGN_OR_RETURN(record, orders_.Find(ref));
    auto held = orders_.Held(record);
    if (held != nullptr || record.is_identity()) return LoadedOrder{record, std::move(held)};
  }
  SCANSERVE_ASSIGN_OR_RETURN(auto order, order_folder_.ReadOrder(record));
  // While the disk was read, it may have been deleted, or loaded by another thread.
  base::MutexLock lock(mutex_);
  SCANSERVE_ASSIGN_OR_RETURN(order, orders_.Share(record, std::move(order)));
  return LoadedOrder{std::move(record), std::move(order)};
}

absl::StatusOr<std::string> DirectoryStore::ReadNpy(const OrderRef& ref) const {
  SCANSERVE_ASSIGN_OR_RETURN(const OrderRecord record, Get(ref));
  if (record.is_identity()) {
    return absl::InvalidArgumentError("identity is natural order: it has no file");
  }
  return order_folder_.ReadNpy(record);
}

absl::StatusOr<int64_t> DirectoryStore::Delete(absl::string_view name, int64_t version) {
  SCANSERVE_RETURN_IF_ERROR(ValidateOrderName(name));
  base::MutexLock change(changes_);
  OrderTable::Removal removal;
  {
    base::MutexLock lock(mutex_);
    SCANSERVE_ASSIGN_OR_RETURN(removal, orders_.Take(name, version,
                                                     [this](const OrderRecord& record)
                                                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                                                           return CheckUnused(record);
                                                         }));
  }
  const absl::Status removed =
      removal.whole_name() ? order_folder_.RemoveName(name) : order_folder_.Remove(name, version);
  base::MutexLock lock(mutex_);
  if (removed.ok()) {
    last_success_ = absl::Now();
    return removal.count();
  }
  orders_.PutBack(name, std::move(removal));
  return removed;
}

absl::Status DirectoryStore::CheckUnused(const OrderRecord& record) const {
  for (const auto& [model_digest, history] : active_) {
    const ScanSetting& setting = history.back().setting;
    if (setting.order_name == record.name && setting.order_version == record.version) {
      return absl::FailedPreconditionError(
          absl::StrCat(Described(record), " is active for model ", model_digest.substr(0, 12)));
    }
  }
  if (const auto id = experiments_.RunningWith(record)) {
    return absl::FailedPreconditionError(
        absl::StrCat(Described(record), " is in experiment ", *id, ", which is running"));
  }
  return absl::OkStatus();
}

absl::Time DirectoryStore::last_success() const {
  base::MutexLock lock(mutex_);
  return std::max(last_success_, adapters_.last_success());
}

int64_t DirectoryStore::revision() const {
  base::MutexLock lock(mutex_);
  return revision_;
}

std::vector<ActiveSetting> DirectoryStore::HistoryOf(absl::string_view model_digest) const {
  const auto found = active_.find(model_digest);
  return found == active_.end() ? std::vector<ActiveSetting>(1) : found->second;
}

absl::StatusOr<ActiveSetting> DirectoryStore::GetActive(absl::string_view model_digest) const {
  SCANSERVE_RETURN_IF_ERROR(CheckModelDigest(model_digest));
  base::MutexLock lock(mutex_);
  const auto found = active_.find(model_digest);
  return found == active_.end() ? ActiveSetting() : found->second.back();
}

absl::StatusOr<std::vector<ActiveSetting>> DirectoryStore::History(
    absl::string_view model_digest) const {
  SCANSERVE_RETURN_IF_ERROR(CheckModelDigest(model_digest));
  base::MutexLock lock(mutex_);
  const std::vector<ActiveSetting> history = HistoryOf(model_digest);
  return std::vector<ActiveSetting>(history.rbegin() + 1, history.rend());
}

absl::StatusOr<ScanSetting> DirectoryStore::Pin(const ScanSettingRequest& request) const {
  SCANSERVE_ASSIGN_OR_RETURN(const OrderRecord record, orders_.Find(request.order));
  ScanSetting setting{record.name, record.version, record.digest, request.target_layers,
                      request.readout};
  std::vector<int32_t>& layers = setting.target_layers;
  std::ranges::sort(layers);
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  if (layers.empty() || (layers.front() >= 0 && layers.back() <= kMaxTargetLayer)) return setting;
  return absl::InvalidArgumentError(
      absl::StrCat("target_layers: ", layers.front() < 0 ? layers.front() : layers.back(),
                   ", expected 0 to ", kMaxTargetLayer));
}

absl::StatusOr<ActiveSetting> DirectoryStore::SetActive(absl::string_view model_digest,
                                                        const ScanSettingRequest& request,
                                                        std::optional<int64_t> expected_revision) {
  SCANSERVE_RETURN_IF_ERROR(CheckModelDigest(model_digest));
  base::MutexLock change(changes_);
  ScanSetting setting;
  {
    base::MutexLock lock(mutex_);
    const ActiveSetting active = HistoryOf(model_digest).back();
    SCANSERVE_RETURN_IF_ERROR(CheckRevision(active, expected_revision));
    SCANSERVE_ASSIGN_OR_RETURN(setting, Pin(request));
    if (setting == active.setting) return active;
  }
  return Activate(model_digest, std::move(setting));
}

absl::StatusOr<ActiveSetting> DirectoryStore::RollBack(absl::string_view model_digest,
                                                       std::optional<int64_t> expected_revision) {
  SCANSERVE_RETURN_IF_ERROR(CheckModelDigest(model_digest));
  base::MutexLock change(changes_);
  ScanSetting setting;
  {
    base::MutexLock lock(mutex_);
    const std::vector<ActiveSetting> history = HistoryOf(model_digest);
    SCANSERVE_RETURN_IF_ERROR(CheckRevision(history.back(), expected_revision));
    if (history.size() < 2) {
      return absl::FailedPreconditionError("no setting was active before the present one");
    }
    setting = history[history.size() - 2].setting;
    const absl::Status found = orders_.Find(setting.order_ref()).status();
    if (!found.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the setting before cannot be served: ", found.message()));
    }
  }
  return Activate(model_digest, std::move(setting));
}

absl::StatusOr<ActiveSetting> DirectoryStore::Activate(absl::string_view model_digest,
                                                       ScanSetting setting) {
  std::vector<ActiveSetting> history;
  int64_t next_revision = 0;
  {
    base::MutexLock lock(mutex_);
    history = HistoryOf(model_digest);
    next_revision = revision_ + 1;
  }
  history.push_back({std::move(setting), next_revision, absl::Now()});
  if (history.size() > kMaxHistory) history.erase(history.begin());
  SCANSERVE_RETURN_IF_ERROR(active_folder_.Write(model_digest, history));
  const ActiveSetting active = history.back();
  base::MutexLock lock(mutex_);
  active_.insert_or_assign(std::string(model_digest), std::move(history));
  revision_ = next_revision;
  last_success_ = absl::Now();
  return active;
}

}  // namespace scanserve::store
