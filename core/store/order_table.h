// The orders that the store knows of, in memory: looking them up and planning changes to them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/order/scan_order.h"
#include "core/store/order_folder.h"
#include "core/store/order_record.h"

namespace scanserve::store {

// Not thread-safe: the store guards it.
class OrderTable {
 public:
  OrderTable() = default;
  explicit OrderTable(const StoredOrders& orders);

  // Identity first, then all versions by name and version.
  std::vector<OrderRecord> List() const;

  // Errors as DirectoryStore::Get.
  absl::StatusOr<OrderRecord> Find(const OrderRef& ref) const;

  // The version of `record`'s name with its digest, if there is one; else none, and the number of a
  // new version in `record`. ALREADY_EXISTS when `must_be_new` and the name holds other content.
  absl::StatusOr<std::optional<OrderRecord>> FindEqual(OrderRecord& record, bool must_be_new) const;

  int64_t order_count() const;
  int64_t bytes() const;

  void Add(const OrderRecord& record, int64_t bytes);
  // Replaces what is known of a version that is there; who holds its order goes on holding it.
  void Update(const OrderRecord& record, int64_t more_bytes);

  // All versions of `name` but the deleted ones, oldest first; all names' when it is empty.
  std::vector<StoredOrder> Stored(absl::string_view name) const;

  // The order of a version while anyone holds it, else null.
  std::shared_ptr<const order::ScanOrder> Held(const OrderRecord& record) const;
  // Makes `order` the one that holders of a version share, and returns the one they share already
  // if there is one. NOT_FOUND when the version is gone.
  absl::StatusOr<std::shared_ptr<const order::ScanOrder>> Share(
      const OrderRecord& record, std::shared_ptr<const order::ScanOrder> order);

  // A deletion that the table shows already and the disk not yet.
  class Removal;
  // Takes out one version, or all of the name when `version` is 0. FAILED_PRECONDITION, and nothing
  // taken, when one is held or `check_unused` fails; NOT_FOUND.
  absl::StatusOr<Removal> Take(absl::string_view name, int64_t version,
                               absl::FunctionRef<absl::Status(const OrderRecord&)> check_unused);
  // Undoes Take.
  void PutBack(absl::string_view name, Removal removal);

 private:
  struct Entry {
    StoredOrder stored;
    std::weak_ptr<const order::ScanOrder> loaded;
  };
  using Versions = std::map<int64_t, Entry>;

  absl::StatusOr<OrderRecord> FindByName(absl::string_view name, int64_t version) const;
  absl::StatusOr<OrderRecord> FindByDigest(absl::string_view digest) const;

  std::map<std::string, Versions, std::less<>> orders_;
};

class OrderTable::Removal {
 public:
  bool whole_name() const { return whole_name_; }  // no version of it is left
  int64_t count() const { return count_; }         // of versions taken out

 private:
  friend class OrderTable;

  Versions before_;
  bool whole_name_ = true;
  int64_t version_ = 0;  // the one taken out, unless the whole name
  int64_t count_ = 0;
};

// "order NAME version N", as messages call it.
std::string Described(const OrderRecord& record);

}  // namespace scanserve::store
