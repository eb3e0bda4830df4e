// The collection of old versions, and what keeps one.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/store/directory_store.h"

namespace scanserve::store {
namespace {

bool Names(const ScanSetting& setting, const OrderRecord& record) {
  return setting.order_name == record.name && setting.order_version == record.version;
}

}  // namespace

OrderFate DirectoryStore::FateOf(const StoredOrder& stored) const {
  if (stored.state == StoredOrder::State::kDamaged) return OrderFate::kKeptDamaged;
  bool rollback = false;
  for (const auto& [model_digest, history] : active_) {
    if (Names(history.back().setting, stored.record)) return OrderFate::kKeptActive;
    rollback |= history.size() > 1 && Names(history[history.size() - 2].setting, stored.record);
  }
  if (rollback) return OrderFate::kKeptRollback;
  if (experiments_.RunningWith(stored.record).has_value()) return OrderFate::kKeptInUse;
  return orders_.Held(stored.record) != nullptr ? OrderFate::kKeptInUse : OrderFate::kRemoved;
}

absl::StatusOr<OrderFate> DirectoryStore::RemoveUnlessKept(const StoredOrder& stored) {
  const OrderRecord& record = stored.record;
  OrderTable::Removal removal;
  {
    base::MutexLock lock(mutex_);
    // Since it was looked at, a request may have begun to use it.
    const OrderFate fate = FateOf(stored);
    if (fate != OrderFate::kRemoved) return fate;
    SCANSERVE_ASSIGN_OR_RETURN(removal, orders_.Take(record.name, record.version,
                                                     [](const auto&) { return absl::OkStatus(); }));
  }
  const absl::Status removed = order_folder_.Remove(record.name, record.version);
  if (removed.ok()) return OrderFate::kRemoved;
  base::MutexLock lock(mutex_);
  orders_.PutBack(record.name, std::move(removal));
  return removed;
}

absl::StatusOr<std::vector<CollectedOrder>> DirectoryStore::Collect(const CollectRule& rule) {
  if (rule.keep_versions < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_versions ", rule.keep_versions, ", at least 1 stays of each name"));
  }
  if (!rule.name.empty()) SCANSERVE_RETURN_IF_ERROR(ValidateOrderName(rule.name));
  base::MutexLock change(changes_);
  std::vector<CollectedOrder> collected;
  std::vector<StoredOrder> all;
  {
    base::MutexLock lock(mutex_);
    all = orders_.Stored(rule.name);
    for (const StoredOrder& stored : all) {
      collected.push_back({stored.record, FateOf(stored), stored.bytes});
    }
  }
  if (!rule.name.empty() && all.empty()) {
    return absl::NotFoundError(absl::StrCat("no order ", QuotedForMessage(rule.name)));
  }
  // From the newest version of a name to its oldest.
  int64_t newer = 0;
  for (size_t i = all.size(); i-- > 0;) {
    if (i + 1 < all.size() && all[i + 1].record.name != all[i].record.name) newer = 0;
    OrderFate& fate = collected[i].fate;
    if (fate == OrderFate::kKeptDamaged) continue;
    const bool newest = newer++ < rule.keep_versions;
    if (fate != OrderFate::kRemoved) continue;
    if (newest) {
      fate = OrderFate::kKeptNewest;
    } else if (!rule.dry_run) {
      SCANSERVE_ASSIGN_OR_RETURN(fate, RemoveUnlessKept(all[i]));
    }
  }
  return collected;
}

}  // namespace scanserve::store
