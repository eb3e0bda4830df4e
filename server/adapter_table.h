// The adapters that requests can name, and the one that they get when they name none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/model/adapter.h"
#include "core/model/language_model.h"
#include "core/store/adapter_collection.h"

namespace scanserve::server {

using AdapterPtr = std::shared_ptr<const model::Adapter>;

// What the server is started with.
struct AdapterOptions {
  // Name and PEFT folder of each adapter that is served beside the store's.
  std::vector<std::pair<std::string, std::string>> folders;
  // For requests that name none; empty is the base model.
  std::string default_name;
  // Names of adapters to merge.
  std::vector<std::string> merged;
};

// Thread-safe. Reads never wait for the disk; changes do, one at a time.
class AdapterTable {
 public:
  // Loads the folders, and what the store holds for this model; what is damaged there is logged and
  // not served. Logs each adapter's coverage. Errors of Adapter::Load, naming the adapter;
  // INVALID_ARGUMENT when a folder's name is taken in the store; errors of Find for a name that is
  // given as default or to merge, whose newest version is meant. `model` and `store` outlive the
  // table.
  static absl::StatusOr<std::unique_ptr<AdapterTable>> Create(const AdapterOptions& options,
                                                              const model::LanguageModel& model,
                                                              ops::LinearFactory make_linear,
                                                              store::AdapterCollection& store);

  // NOT_FOUND for a name, version or digest that is not here; INVALID_ARGUMENT when both name and
  // digest are empty; FAILED_PRECONDITION when they disagree, and for a damaged version, which is
  // the newest too. `version` 0 is the newest.
  absl::StatusOr<AdapterPtr> Find(const std::string& name, int64_t version,
                                  const std::string& digest) const;
  // Null is the base model.
  AdapterPtr default_adapter() const;

  struct Served {
    AdapterPtr adapter;  // null for a damaged version: it is not served, nor an older one instead
    std::optional<absl::Time> stored;  // none for a folder of AdapterOptions
  };
  // What can be named, by name and version.
  std::vector<Served> List() const;

  struct Content {
    std::string name;
    model::AdapterFiles files;
    bool must_be_new = false;
    std::string expected_digest;  // empty: any
    std::optional<bool> merge;    // none: as it is served now, unmerged when new
  };
  struct PutResult {
    Served served;
    bool created = false;  // false when equal content stood there already
  };
  // Stores and serves. Errors of AdapterContent::Parse and AdapterCollection::Put;
  // FAILED_PRECONDITION for another digest than expected, and for the name of a folder.
  absl::StatusOr<PutResult> Put(Content content);

  struct Unloaded {
    int64_t versions = 0;
    int64_t memory_bytes = 0;
  };
  // Takes out of service, and deletes, one version, or all of a name when version is 0 and digest
  // empty. Requests that hold an adapter keep it. Errors as Find; FAILED_PRECONDITION, and nothing
  // unloaded, for the default adapter and a folder's.
  absl::StatusOr<Unloaded> Unload(const std::string& name, int64_t version,
                                  const std::string& digest);

 private:
  using Versions = std::map<int64_t, Served>;

  AdapterTable(const model::LanguageModel& model, ops::LinearFactory make_linear,
               store::AdapterCollection& store);

  absl::Status LoadFolder(const std::string& name, const std::string& folder);
  absl::Status LoadStored(const store::StoredAdapter& stored);
  absl::StatusOr<AdapterPtr> ReadStored(const store::AdapterRecord& record) const;
  absl::StatusOr<AdapterPtr> NamedByOption(const char* option, const std::string& name) const;
  absl::Status MergeNewest(const std::string& name);
  absl::Status SetDefault(const std::string& name);
  AdapterPtr Make(const std::string& name, int64_t version, const model::AdapterContent& content,
                  bool merge) const;
  void Serve(const std::string& name, int64_t version, Served served);
  absl::StatusOr<AdapterPtr> FindByName(const std::string& name, int64_t version) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<AdapterPtr> FindByDigest(const std::string& digest) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckNotFolder(const std::string& name) const ABSL_LOCKS_EXCLUDED(mutex_);
  // What Unload would take; FAILED_PRECONDITION when it may not.
  absl::StatusOr<std::vector<int64_t>> Doomed(const std::string& name, int64_t version) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  const model::LanguageModel& model_;
  const ops::LinearFactory make_linear_;
  store::AdapterCollection& store_;
  // Held through a change; taken before mutex_.
  base::Mutex changes_ ABSL_ACQUIRED_BEFORE(mutex_);
  // Guards what is in memory; never held while the disk works.
  mutable base::Mutex mutex_;
  std::map<std::string, Versions> adapters_ ABSL_GUARDED_BY(mutex_);
  AdapterPtr default_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
