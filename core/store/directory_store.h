// The directory store: scan orders, adapters, each model's active setting and experiments, and who
// changed them, kept in one folder.
//
//   LOCK                                held by the one store that has the folder open
//   orders/<name>/<version>.npy         as uploaded
//   orders/<name>/<version>.inv.npy     the inverse permutation
//   orders/<name>/<version>.json        written last: a version without it does not exist
//   adapters/<name>/<version>/          adapter_config.json and adapter_model.safetensors
//   adapters/<name>/<version>.json      written last: a version without it does not exist
//   active/<model digest>.json          active setting and history
//   experiments/<model digest>/         <id>.json, and <id>.stats with what it has counted
//   audit/changes/, audit/refused/      records of changes, and of attempts that were refused
//
// Every file is written durably (core/base/file.h): a crash leaves the old or the new content.
// Audit records are appended: it may leave one torn, which is skipped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/file.h"
#include "core/base/mutex.h"
#include "core/store/active_folder.h"
#include "core/store/active_setting.h"
#include "core/store/adapter_collection.h"
#include "core/store/audit_trail.h"
#include "core/store/collected_order.h"
#include "core/store/experiment_collection.h"
#include "core/store/order_folder.h"
#include "core/store/order_record.h"
#include "core/store/order_table.h"

namespace scanserve::store {

struct StoreOptions {
  std::string folder;                     // made when it is not there (its parent must be)
  int64_t max_orders = 1000;              // versions of all names together
  int64_t max_adapters = 100;             // the same
  int64_t max_bytes = int64_t{10} << 30;  // of the files of all orders and adapters together
  // Records that are kept at least, of changes and of refused attempts: some 50 MB and 5 MB.
  int64_t audit_records = 100'000;
  int64_t refused_records = 10'000;
};

// Thread-safe. Changes wait for each other and for the disk; reads never wait for a change's disk
// work. A change that the disk refuses is UNAVAILABLE and leaves everything as it was.
class DirectoryStore {
 public:
  // Locks the folder, removes what a crash left over, and checks every order and adapter: a damaged
  // one is told in warnings() and not served. FAILED_PRECONDITION when another process has the
  // folder or a file in active/ or experiments/ is damaged; UNAVAILABLE when the folder cannot be
  // used.
  static absl::StatusOr<std::unique_ptr<DirectoryStore>> Open(const StoreOptions& options);

  DirectoryStore(const DirectoryStore&) = delete;
  DirectoryStore& operator=(const DirectoryStore&) = delete;

  // One sentence for each thing that Open found damaged or put right.
  const std::vector<std::string>& warnings() const { return warnings_; }

  struct PutResult {
    OrderRecord record;
    bool created = false;  // false when equal content stood there already
  };
  // Stores `npy` under `name`: equal content (by digest) returns its version, other content adds
  // one. INVALID_ARGUMENT for a bad name or file and over a limit of the store; ALREADY_EXISTS when
  // `must_be_new` and the name holds other content. A model digest in `forced_for_model` is kept in
  // the record, in that of a version that exists too.
  absl::StatusOr<PutResult> Put(absl::string_view name, absl::string_view npy,
                                const std::optional<order::Provenance>& provenance,
                                bool must_be_new, const std::string& forced_for_model = "");

  // Identity first, then all versions by name and version.
  std::vector<OrderRecord> List() const;

  // INVALID_ARGUMENT when `ref` names nothing; NOT_FOUND; FAILED_PRECONDITION when its name and
  // digest disagree, and for a damaged order.
  absl::StatusOr<OrderRecord> Get(const OrderRef& ref) const;

  // As Get, with the order, whose digest is checked again when it is read. It is read once for as
  // long as anyone holds it.
  absl::StatusOr<LoadedOrder> Load(const OrderRef& ref);

  // The file as it was uploaded. Errors as Get, and FAILED_PRECONDITION when it was altered.
  absl::StatusOr<std::string> ReadNpy(const OrderRef& ref) const;

  // Deletes one version, or all of the name when `version` is 0; returns how many. The numbers of
  // deleted versions are not given again while the name has a version left. FAILED_PRECONDITION,
  // and nothing deleted, when one is active for any model, in a running experiment or held by
  // anyone; a setting that stands only in the history does not hold its order.
  absl::StatusOr<int64_t> Delete(absl::string_view name, int64_t version);

  // Removes all versions but the newest of each name and those in use; returns what became of each,
  // by name and version. What must outlast a collection is held: experiments, like requests, keep
  // the LoadedOrder. INVALID_ARGUMENT for a bad name or nothing to keep; NOT_FOUND for a name
  // without versions; UNAVAILABLE when the disk refuses, and then what was removed until there is
  // gone.
  absl::StatusOr<std::vector<CollectedOrder>> Collect(const CollectRule& rule);

  AdapterCollection& adapters() { return adapters_; }
  ExperimentCollection& experiments() { return experiments_; }
  // Who changed what, and whose attempts were refused: apart, so that no flood of these pushes out
  // those. The caller writes them.
  AuditTrail& changes() { return audit_changes_; }
  AuditTrail& refusals() { return audit_refusals_; }

  // When the store was last opened or changed with success.
  absl::Time last_success() const;

  // The number of the last change of an active setting, of any model; 0 before the first.
  int64_t revision() const;

  // The setting of a model, identity at revision 0 when none was ever set. `model_digest`: 64 hex
  // digits, else INVALID_ARGUMENT; so for the calls below.
  absl::StatusOr<ActiveSetting> GetActive(absl::string_view model_digest) const;

  // Earlier settings of the model, newest first, the present one left out; at most 100 are kept.
  absl::StatusOr<std::vector<ActiveSetting>> History(absl::string_view model_digest) const;

  // Makes a setting active and pins the version that its order names now. Setting what is active
  // already changes nothing. ABORTED, naming the revision that won, when `expected_revision` is
  // given and is not that of the active setting. Errors of Get for its order; INVALID_ARGUMENT for
  // a negative layer or more than 4096 layers. Layers past the model's and provenance of another
  // model are the caller's to refuse.
  absl::StatusOr<ActiveSetting> SetActive(absl::string_view model_digest,
                                          const ScanSettingRequest& request,
                                          std::optional<int64_t> expected_revision);

  // Makes the setting before the present one active, as a new entry, so that twice leads back;
  // before the first activation there was identity. FAILED_PRECONDITION when nothing was ever
  // activated, or the order was deleted; ABORTED as SetActive.
  absl::StatusOr<ActiveSetting> RollBack(absl::string_view model_digest,
                                         std::optional<int64_t> expected_revision);

 private:
  DirectoryStore(const StoreOptions& options, base::FileDescriptor lock);

  absl::Status ReadFolders();
  int64_t OrderBytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckRoom(int64_t new_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<PutResult> Force(OrderRecord record, const std::string& model_digest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_) ABSL_LOCKS_EXCLUDED(mutex_);
  // What keeps a version, whatever its age; kRemoved: nothing does.
  OrderFate FateOf(const StoredOrder& stored) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Removes a version that FateOf says nothing keeps, still, and says what became of it.
  absl::StatusOr<OrderFate> RemoveUnlessKept(const StoredOrder& stored)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckUnused(const OrderRecord& record) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Oldest first, the active one last; identity at revision 0 alone before the first activation.
  std::vector<ActiveSetting> HistoryOf(absl::string_view model_digest) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ScanSetting> Pin(const ScanSettingRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ActiveSetting> Activate(absl::string_view model_digest, ScanSetting setting)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_) ABSL_LOCKS_EXCLUDED(mutex_);

  const StoreOptions options_;
  const base::FileDescriptor lock_;
  const OrderFolder order_folder_;
  const ActiveFolder active_folder_;
  std::vector<std::string> warnings_;

  // Held by a change from its checks to its end; taken before mutex_.
  base::Mutex changes_ ABSL_ACQUIRED_BEFORE(mutex_);
  // Guards what is in memory; never held while the disk works, but for Open.
  mutable base::Mutex mutex_;
  OrderTable orders_ ABSL_GUARDED_BY(mutex_);
  ActiveHistories active_ ABSL_GUARDED_BY(mutex_);
  int64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time last_success_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  AdapterCollection adapters_;
  ExperimentCollection experiments_;
  AuditTrail audit_changes_;
  AuditTrail audit_refusals_;
};

}  // namespace scanserve::store
