// Decides which scan setting a request gets, and switches the active one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/runtime/request.h"
#include "core/store/directory_store.h"

namespace scanserve::server {

// A scan setting in memory, with what answers say of it. Immutable; a request that holds it keeps
// it, and its order, whatever is switched meanwhile.
struct PinnedScan {
  store::ScanSetting setting;
  runtime::AppliedScan applied;
  int64_t revision = 0;

  bool permutes() const { return applied.order != nullptr; }
  bool permutes_some_layers() const { return permutes() && !applied.target_layers.empty(); }
};

// Thread-safe. Reads never wait for the disk, but for orders that nobody holds yet.
class ScanSelector {
 public:
  struct ServedModel {
    std::string digest;
    std::string tokenizer_digest;
    int64_t num_layers = 0;
  };

  // Reads the model's active setting. FAILED_PRECONDITION when it cannot be served as it stands:
  // serving another one than was set would be worse than not to start. `store` outlives the
  // selector.
  static absl::StatusOr<std::unique_ptr<ScanSelector>> Create(store::DirectoryStore& store,
                                                              ServedModel model);

  std::shared_ptr<const PinnedScan> Active() const;
  // The active setting, and how often it has changed since the start.
  struct Served {
    std::shared_ptr<const PinnedScan> scan;
    int64_t switches = 0;
  };
  Served served() const;
  std::shared_ptr<const PinnedScan> Identity() const;
  // Errors of DirectoryStore::Get; INVALID_ARGUMENT for a layer that the model does not have or
  // that is named twice; FAILED_PRECONDITION for an order whose provenance names another model or
  // tokenizer, unless it was stored by force for this model.
  absl::StatusOr<std::shared_ptr<const PinnedScan>> Pin(
      const store::ScanSettingRequest& request) const;

  // Errors of Pin and of DirectoryStore::SetActive; without `force` FAILED_PRECONDITION for an
  // order whose provenance names another model or tokenizer. Waits for the disk.
  absl::StatusOr<store::ActiveSetting> SetActive(const store::ScanSettingRequest& request,
                                                 std::optional<int64_t> expected_revision,
                                                 bool force);
  // Errors of DirectoryStore::RollBack. Waits for the disk.
  absl::StatusOr<store::ActiveSetting> RollBack(std::optional<int64_t> expected_revision);

  absl::StatusOr<store::ActiveSetting> ActiveSetting() const;
  absl::StatusOr<std::vector<store::ActiveSetting>> History() const;

  // FAILED_PRECONDITION when `provenance` names another model or tokenizer than the one served.
  absl::Status CheckProvenance(const order::Provenance& provenance) const;

 private:
  ScanSelector(store::DirectoryStore& store, ServedModel model);

  absl::Status CheckUse(const store::OrderRecord& record) const;
  absl::StatusOr<std::shared_ptr<const PinnedScan>> Load(const store::OrderRecord& record,
                                                         const store::ScanSettingRequest& request,
                                                         int64_t revision) const;
  absl::StatusOr<std::shared_ptr<const PinnedScan>> Load(const store::ScanSetting& setting,
                                                         int64_t revision) const;
  absl::Status CheckLayers(const std::vector<int32_t>& layers) const;
  void Swap(std::shared_ptr<const PinnedScan> scan);

  store::DirectoryStore& store_;
  const ServedModel model_;
  // Held through a change, so that the newest setting in the store is the one that is swapped in
  // last.
  base::Mutex changes_;
  mutable base::Mutex mutex_;
  std::shared_ptr<const PinnedScan> active_ ABSL_GUARDED_BY(mutex_);
  int64_t switches_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace scanserve::server
