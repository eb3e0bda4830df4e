#include "core/store/order_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::store {
namespace {

using State = StoredOrder::State;

OrderRecord IdentityRecord() {
  OrderRecord record;
  record.name = std::string(kIdentityName);
  return record;
}

}  // namespace

OrderTable::OrderTable(const StoredOrders& orders) {
  for (const auto& [name, versions] : orders) {
    for (const auto& [version, stored] : versions) {
      orders_[name].emplace(version, Entry{stored, {}});
    }
  }
}

std::vector<OrderRecord> OrderTable::List() const {
  std::vector<OrderRecord> records{IdentityRecord()};
  for (const auto& [name, versions] : orders_) {
    for (const auto& [version, entry] : versions) {
      if (entry.stored.state == State::kLive) records.push_back(entry.stored.record);
    }
  }
  return records;
}

absl::StatusOr<OrderRecord> OrderTable::Find(const OrderRef& ref) const {
  if (ref.name.empty()) return FindByDigest(ref.digest);
  SCANSERVE_ASSIGN_OR_RETURN(OrderRecord record, FindByName(ref.name, ref.version));
  if (ref.digest.empty() || ref.digest == record.digest) return record;
  return absl::FailedPreconditionError(absl::StrCat(Described(record), " has digest \"",
                                                    record.digest.substr(0, 12), "\", not ",
                                                    QuotedForMessage(ref.digest)));
}

absl::StatusOr<OrderRecord> OrderTable::FindByName(absl::string_view name, int64_t version) const {
  if (name == kIdentityName && version == 0) return IdentityRecord();
  const auto versions = orders_.find(name);
  if (versions == orders_.end()) {
    return absl::NotFoundError(absl::StrCat("no order ", QuotedForMessage(name)));
  }
  const StoredOrder* found = nullptr;
  for (const auto& [number, entry] : versions->second) {
    const bool asked_for = version == 0 || version == number;
    if (asked_for && entry.stored.state != State::kDeleted) found = &entry.stored;
  }
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("order ", name, " has no version ", version));
  }
  if (found->state == State::kDamaged) {
    return absl::FailedPreconditionError(absl::StrCat(Described(found->record), " is damaged"));
  }
  return found->record;
}

absl::StatusOr<OrderRecord> OrderTable::FindByDigest(absl::string_view digest) const {
  if (!IsDigest(digest)) {
    return absl::InvalidArgumentError(
        absl::StrCat("an order is named by its name or a digest of 64 hex digits, not by digest ",
                     QuotedForMessage(digest)));
  }
  for (const auto& [name, versions] : orders_) {
    for (const auto& [version, entry] : versions) {
      const StoredOrder& stored = entry.stored;
      if (stored.state == State::kLive && stored.record.digest == digest) return stored.record;
    }
  }
  return absl::NotFoundError(absl::StrCat("no order has digest ", digest));
}

absl::StatusOr<std::optional<OrderRecord>> OrderTable::FindEqual(OrderRecord& record,
                                                                 bool must_be_new) const {
  record.version = 1;
  const auto versions = orders_.find(record.name);
  if (versions == orders_.end()) return std::nullopt;
  for (const auto& [version, entry] : versions->second) {
    const bool live = entry.stored.state == State::kLive;
    if (live && entry.stored.record.digest == record.digest) return entry.stored.record;
  }
  if (must_be_new) {
    return absl::AlreadyExistsError(absl::StrCat("order ", record.name, " has other content"));
  }
  record.version = versions->second.rbegin()->first + 1;
  return std::nullopt;
}

int64_t OrderTable::order_count() const {
  int64_t count = 0;
  for (const auto& [name, versions] : orders_) {
    for (const auto& [version, entry] : versions) count += entry.stored.state != State::kDeleted;
  }
  return count;
}

int64_t OrderTable::bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, versions] : orders_) {
    for (const auto& [version, entry] : versions) bytes += entry.stored.bytes;
  }
  return bytes;
}

void OrderTable::Add(const OrderRecord& record, int64_t bytes) {
  orders_[record.name].insert_or_assign(record.version, Entry{{State::kLive, record, bytes}, {}});
}

void OrderTable::Update(const OrderRecord& record, int64_t more_bytes) {
  StoredOrder& stored = orders_.find(record.name)->second.at(record.version).stored;
  stored.record = record;
  stored.bytes += more_bytes;
}

std::vector<StoredOrder> OrderTable::Stored(absl::string_view name) const {
  std::vector<StoredOrder> all;
  for (const auto& [its_name, versions] : orders_) {
    if (!name.empty() && name != its_name) continue;
    for (const auto& [version, entry] : versions) {
      if (entry.stored.state != State::kDeleted) all.push_back(entry.stored);
    }
  }
  return all;
}

std::shared_ptr<const order::ScanOrder> OrderTable::Held(const OrderRecord& record) const {
  const auto versions = orders_.find(record.name);
  if (versions == orders_.end()) return nullptr;
  const auto entry = versions->second.find(record.version);
  return entry == versions->second.end() ? nullptr : entry->second.loaded.lock();
}

absl::StatusOr<std::shared_ptr<const order::ScanOrder>> OrderTable::Share(
    const OrderRecord& record, std::shared_ptr<const order::ScanOrder> order) {
  SCANSERVE_RETURN_IF_ERROR(Find({record.name, record.version, record.digest}).status());
  if (auto held = Held(record)) return held;
  orders_.find(record.name)->second.at(record.version).loaded = order;
  return order;
}

absl::StatusOr<OrderTable::Removal> OrderTable::Take(
    absl::string_view name, int64_t version,
    absl::FunctionRef<absl::Status(const OrderRecord&)> check_unused) {
  const auto found = orders_.find(name);
  if (found == orders_.end()) {
    return absl::NotFoundError(absl::StrCat("no order ", QuotedForMessage(name)));
  }
  Removal removal;
  removal.version_ = version;
  removal.before_ = found->second;
  for (const auto& [number, entry] : found->second) {
    if (entry.stored.state == State::kDeleted) continue;
    if (version != 0 && version != number) {
      removal.whole_name_ = false;
      continue;
    }
    // It knows who uses it, where a request that does has no name.
    SCANSERVE_RETURN_IF_ERROR(check_unused(entry.stored.record));
    if (!entry.loaded.expired()) {
      return absl::FailedPreconditionError(
          absl::StrCat(Described(entry.stored.record), " is in use"));
    }
    ++removal.count_;
  }
  if (removal.count_ == 0) {
    return absl::NotFoundError(absl::StrCat("order ", name, " has no version ", version));
  }
  if (removal.whole_name_) {
    orders_.erase(found);
  } else {
    StoredOrder& stored = found->second.at(version).stored;
    stored.state = State::kDeleted;
    stored.bytes = 0;
  }
  return removal;
}

void OrderTable::PutBack(absl::string_view name, Removal removal) {
  if (removal.whole_name_) {
    orders_.insert_or_assign(std::string(name), std::move(removal.before_));
    return;
  }
  // The other versions may have been loaded meanwhile.
  orders_.find(name)->second.at(removal.version_) = removal.before_.at(removal.version_);
}

std::string Described(const OrderRecord& record) {
  return absl::StrCat("order ", record.name, " version ", record.version);
}

}  // namespace scanserve::store
