// The files of the orders under one folder: how a version is written, read, marked and removed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/order/scan_order.h"
#include "core/store/order_record.h"

namespace scanserve::store {

// A version as the disk holds it.
struct StoredOrder {
  enum class State {
    kLive,
    kDeleted,  // only its number is left, so that it is not given again
    kDamaged,  // its files do not agree; kept for the operator, never served
  };
  State state = State::kLive;
  OrderRecord record;  // name and version alone unless live
  int64_t bytes = 0;   // of its files together
};

using StoredVersions = std::map<int64_t, StoredOrder>;
using StoredOrders = std::map<std::string, StoredVersions, std::less<>>;

// Holds no state but the path; the caller serialises calls that change the same name.
class OrderFolder {
 public:
  explicit OrderFolder(std::string folder) : folder_(std::move(folder)) {}

  // Reads and checks every version, making the folder when there is none, and removes what
  // interrupted changes left. What is damaged or
  // strange goes into `warnings`, one sentence each. UNAVAILABLE when the folder cannot be read.
  absl::StatusOr<StoredOrders> ReadAll(std::vector<std::string>& warnings) const;

  // About what Write will take, a little more rather than less.
  static int64_t BytesNeeded(absl::string_view npy, const order::ScanOrder& order);

  // Writes the files of a new version, the sidecar last; returns their bytes. UNAVAILABLE, and
  // nothing left behind, when the disk refuses.
  absl::StatusOr<int64_t> Write(const OrderRecord& record, absl::string_view npy,
                                const order::ScanOrder& order) const;

  // Writes what the record says of a version anew; returns how many bytes it grew by. UNAVAILABLE
  // when the disk refuses.
  absl::StatusOr<int64_t> RewriteSidecar(const OrderRecord& record) const;

  // The file as uploaded. FAILED_PRECONDITION when it is gone or no longer has the record's digest.
  absl::StatusOr<std::string> ReadNpy(const OrderRecord& record) const;
  absl::StatusOr<std::shared_ptr<const order::ScanOrder>> ReadOrder(
      const OrderRecord& record) const;

  // Removes one version but keeps its number taken.
  absl::Status Remove(absl::string_view name, int64_t version) const;
  // Removes a name with all its versions, at once.
  absl::Status RemoveName(absl::string_view name) const;

 private:
  absl::StatusOr<StoredVersions> ReadName(const std::string& name,
                                          std::vector<std::string>& warnings) const;
  StoredOrder ReadVersion(const std::string& name, int64_t version,
                          std::vector<std::string>& warnings) const;
  absl::StatusOr<StoredOrder> CheckVersion(const std::string& name, int64_t version,
                                           std::vector<std::string>& warnings) const;
  std::string NameFolder(absl::string_view name) const;
  std::string Path(absl::string_view name, int64_t version, absl::string_view suffix) const;

  const std::string folder_;
};

}  // namespace scanserve::store
