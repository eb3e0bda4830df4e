// The adapters of a directory store: those on disk, known in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/store/adapter_folder.h"
#include "core/store/adapter_record.h"

namespace scanserve::store {

// Thread-safe. Changes wait for each other, for the store's other changes, and for the disk; reads
// of what is in memory never wait for a change's disk work. A change that the disk refuses is
// UNAVAILABLE and leaves everything as it was.
class AdapterCollection {
 public:
  struct Limits {
    int64_t max_adapters;  // versions of all names together
    int64_t max_bytes;     // of all that the store holds
  };

  // `changes` serialises the store's changes; `other_bytes` is what the store holds besides, asked
  // for while `changes` is held. Both outlive the collection.
  AdapterCollection(std::string folder, Limits limits, base::Mutex& changes,
                    std::function<int64_t()> other_bytes);

  // Once, before all else. Errors and `warnings` of AdapterFolder::ReadAll.
  absl::Status Open(std::vector<std::string>& warnings);

  struct PutResult {
    AdapterRecord record;
    bool created = false;  // false when equal content stood there already
  };
  // Stores `files` under `draft.name`: content of equal digest, for the same model, returns its
  // version, as long as its files are as they were; other content adds one. `draft` says name,
  // digest, model digest and, for a new version, how it is served; that of a version that stands is
  // left alone. INVALID_ARGUMENT for a bad name, files too large, and over a limit of the store;
  // ALREADY_EXISTS when `must_be_new` and the name holds other content.
  absl::StatusOr<PutResult> Put(const AdapterRecord& draft, AdapterFileViews files,
                                bool must_be_new);

  // Keeps how a version is served. NOT_FOUND.
  absl::Status SetMerged(absl::string_view name, int64_t version, bool merged);

  // All versions that are there, damaged ones too, by name and version.
  std::vector<StoredAdapter> List() const;

  // Config and tensors of a version, checked against their digests. NOT_FOUND; FAILED_PRECONDITION
  // for one that is damaged.
  absl::StatusOr<std::pair<std::string, std::string>> Read(absl::string_view name,
                                                           int64_t version) const;

  // Deletes one version, or, when `version` is 0, all of the name that are damaged or belong to
  // `model_digest`. The numbers of deleted versions are not given again while the name has a
  // version left. NOT_FOUND when there is none.
  absl::Status Delete(absl::string_view name, int64_t version, absl::string_view model_digest);

  int64_t bytes() const;
  // When the collection was last changed; InfinitePast before the first change.
  absl::Time last_success() const;

 private:
  absl::StatusOr<StoredAdapter> Find(absl::string_view name, int64_t version) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoom(int64_t new_bytes) const;
  // Of `name`, as they are now.
  AdapterVersions VersionsOf(absl::string_view name) const;
  absl::Status DeleteFiles(absl::string_view name, const std::vector<int64_t>& doomed, bool all);

  const AdapterFolder folder_;
  const Limits limits_;
  base::Mutex& changes_;
  const std::function<int64_t()> other_bytes_;
  // Guards what is in memory; never held while the disk works, but for Open.
  mutable base::Mutex mutex_;
  StoredAdapters adapters_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_success_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace scanserve::store
