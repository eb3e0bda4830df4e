#include "core/store/adapter_collection.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "core/store/order_record.h"

namespace scanserve::store {
namespace {

using State = StoredAdapter::State;

// Of the sidecar, a little more rather than less.
constexpr int64_t kSidecarBytes = 4 << 10;

absl::Status CheckSize(const char* file, size_t bytes, int64_t limit) {
  if (static_cast<int64_t>(bytes) <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": ", bytes, " bytes, at most ", limit, " are accepted"));
}

absl::Status NoAdapter(absl::string_view name, int64_t version) {
  return absl::NotFoundError(
      version == 0 ? absl::StrCat("no adapter ", QuotedForMessage(name))
                   : absl::StrCat("no adapter ", QuotedForMessage(name), " of version ", version));
}

}  // namespace

AdapterCollection::AdapterCollection(std::string folder, Limits limits, base::Mutex& changes,
                                     std::function<int64_t()> other_bytes)
    : folder_(std::move(folder)),
      limits_(limits),
      changes_(changes),
      other_bytes_(std::move(other_bytes)) {}

absl::Status AdapterCollection::Open(std::vector<std::string>& warnings) {
  base::MutexLock lock(mutex_);
  SCANSERVE_ASSIGN_OR_RETURN(adapters_, folder_.ReadAll(warnings));
  return absl::OkStatus();
}

absl::StatusOr<AdapterCollection::PutResult> AdapterCollection::Put(const AdapterRecord& draft,
                                                                    AdapterFileViews files,
                                                                    bool must_be_new) {
  SCANSERVE_RETURN_IF_ERROR(ValidateName(draft.name));
  SCANSERVE_RETURN_IF_ERROR(
      CheckSize("adapter_config.json", files.config.size(), AdapterFolder::kMaxConfigBytes));
  SCANSERVE_RETURN_IF_ERROR(CheckSize("adapter_model.safetensors", files.tensors.size(),
                                      AdapterFolder::kMaxTensorsBytes));
  base::MutexLock change(changes_);
  const AdapterVersions versions = VersionsOf(draft.name);
  for (const auto& [version, adapter] : versions) {
    const AdapterRecord& record = adapter.record;
    if (adapter.state != State::kLive || record.digest != draft.digest ||
        record.model_digest != draft.model_digest) {
      continue;
    }
    const absl::Status intact = folder_.Read(adapter).status();
    if (intact.ok()) return PutResult{record, false};
    if (absl::IsUnavailable(intact)) return intact;
  }
  if (must_be_new && !versions.empty()) {
    return absl::AlreadyExistsError(absl::StrCat("adapter ", draft.name, " has other content"));
  }
  SCANSERVE_RETURN_IF_ERROR(
      CheckRoom(static_cast<int64_t>(files.config.size() + files.tensors.size()) + kSidecarBytes));
  AdapterRecord record = draft;
  record.version = versions.empty() ? 1 : versions.rbegin()->first + 1;
  record.created = absl::Now();
  SCANSERVE_ASSIGN_OR_RETURN(const StoredAdapter stored, folder_.Write(record, files));
  base::MutexLock lock(mutex_);
  adapters_[record.name].insert_or_assign(record.version, stored);
  last_success_ = absl::Now();
  return PutResult{std::move(record), true};
}

absl::Status AdapterCollection::CheckRoom(int64_t new_bytes) const {
  const auto count = static_cast<int64_t>(List().size());
  if (count >= limits_.max_adapters) {
    return absl::InvalidArgumentError(
        absl::StrCat("the store holds ", count, " adapters, the limit is ", limits_.max_adapters));
  }
  const int64_t held = bytes() + other_bytes_();
  if (new_bytes <= limits_.max_bytes - held) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the store holds ", held, " bytes, with ",
                                                 new_bytes, " more it passes its limit of ",
                                                 limits_.max_bytes));
}

AdapterVersions AdapterCollection::VersionsOf(absl::string_view name) const {
  base::MutexLock lock(mutex_);
  const auto found = adapters_.find(name);
  return found == adapters_.end() ? AdapterVersions() : found->second;
}

absl::StatusOr<StoredAdapter> AdapterCollection::Find(absl::string_view name,
                                                      int64_t version) const {
  const auto versions = adapters_.find(name);
  if (versions == adapters_.end()) return NoAdapter(name, version);
  const auto found = versions->second.find(version);
  if (found == versions->second.end() || found->second.state == State::kDeleted) {
    return NoAdapter(name, version);
  }
  return found->second;
}

absl::Status AdapterCollection::SetMerged(absl::string_view name, int64_t version, bool merged) {
  base::MutexLock change(changes_);
  StoredAdapter adapter;
  {
    base::MutexLock lock(mutex_);
    SCANSERVE_ASSIGN_OR_RETURN(adapter, Find(name, version));
  }
  if (adapter.state == State::kDamaged) {
    return absl::FailedPreconditionError(absl::StrCat(Described(adapter.record), " is damaged"));
  }
  adapter.record.merged = merged;
  SCANSERVE_RETURN_IF_ERROR(folder_.WriteSidecar(adapter));
  base::MutexLock lock(mutex_);
  adapters_.find(name)->second.insert_or_assign(version, std::move(adapter));
  last_success_ = absl::Now();
  return absl::OkStatus();
}

std::vector<StoredAdapter> AdapterCollection::List() const {
  base::MutexLock lock(mutex_);
  std::vector<StoredAdapter> all;
  for (const auto& [name, versions] : adapters_) {
    for (const auto& [version, adapter] : versions) {
      if (adapter.state != State::kDeleted) all.push_back(adapter);
    }
  }
  return all;
}

absl::StatusOr<std::pair<std::string, std::string>> AdapterCollection::Read(absl::string_view name,
                                                                            int64_t version) const {
  StoredAdapter adapter;
  {
    base::MutexLock lock(mutex_);
    SCANSERVE_ASSIGN_OR_RETURN(adapter, Find(name, version));
  }
  if (adapter.state == State::kLive) return folder_.Read(adapter);
  return absl::FailedPreconditionError(absl::StrCat(Described(adapter.record), " is damaged"));
}

absl::Status AdapterCollection::Delete(absl::string_view name, int64_t version,
                                       absl::string_view model_digest) {
  base::MutexLock change(changes_);
  std::vector<int64_t> doomed;
  bool all = true;  // no version of the name stays
  for (const auto& [number, adapter] : VersionsOf(name)) {
    if (adapter.state == State::kDeleted) continue;
    const bool ours =
        adapter.state == State::kDamaged || adapter.record.model_digest == model_digest;
    if (version == 0 ? ours : version == number) {
      doomed.push_back(number);
    } else {
      all = false;
    }
  }
  if (doomed.empty()) return NoAdapter(name, version);
  return DeleteFiles(name, doomed, all);
}

absl::Status AdapterCollection::DeleteFiles(absl::string_view name,
                                            const std::vector<int64_t>& doomed, bool all) {
  if (all) {
    SCANSERVE_RETURN_IF_ERROR(folder_.RemoveName(name));
    base::MutexLock lock(mutex_);
    adapters_.erase(adapters_.find(name));
    last_success_ = absl::Now();
    return absl::OkStatus();
  }
  for (const int64_t version : doomed) {
    SCANSERVE_RETURN_IF_ERROR(folder_.Remove(name, version));
    base::MutexLock lock(mutex_);
    StoredAdapter& adapter = adapters_.find(name)->second.at(version);
    adapter.state = State::kDeleted;
    adapter.bytes = 0;
    last_success_ = absl::Now();
  }
  return absl::OkStatus();
}

absl::Time AdapterCollection::last_success() const {
  base::MutexLock lock(mutex_);
  return last_success_;
}

int64_t AdapterCollection::bytes() const {
  int64_t bytes = 0;
  for (const StoredAdapter& adapter : List()) bytes += adapter.bytes;
  return bytes;
}

}  // namespace scanserve::store
