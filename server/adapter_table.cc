#include "server/adapter_table.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/store/order_record.h"
#include "server/log.h"

namespace scanserve::server {
namespace {

static_assert(model::AdapterFiles::kMaxConfigBytes == store::AdapterFolder::kMaxConfigBytes &&
              model::AdapterFiles::kMaxTensorsBytes == store::AdapterFolder::kMaxTensorsBytes);

absl::Status NoAdapter(absl::string_view named, int64_t version) {
  return absl::NotFoundError(
      absl::StrCat("no adapter ", store::QuotedForMessage(named),
                   version == 0 ? "" : absl::StrCat(" of version ", version)));
}

std::string Described(const std::string& name, int64_t version) {
  return absl::StrCat("adapter ", name, " version ", version);
}

absl::Status DigestMismatch(const std::string& what, const std::string& digest,
                            const std::string& expected) {
  return absl::FailedPreconditionError(absl::StrCat(what, " has digest \"", digest.substr(0, 12),
                                                    "\", not ", store::QuotedForMessage(expected)));
}

void LogServed(const model::Adapter& adapter, const model::LanguageModel& model) {
  LogInfo("adapter loaded",
          {{"name", adapter.name()},
           {"version", adapter.version()},
           {"digest", adapter.digest()},
           {"modules", adapter.modules_matched()},
           {"merged", adapter.merged()},
           {"memory_bytes", adapter.memory_bytes()},
           LogField::Whole("coverage",
                           model::CoverageLine(adapter.trainable_parameters(), model.parameters))});
}

}  // namespace

AdapterTable::AdapterTable(const model::LanguageModel& model, ops::LinearFactory make_linear,
                           store::AdapterCollection& store)
    : model_(model), make_linear_(std::move(make_linear)), store_(store) {}

absl::StatusOr<std::unique_ptr<AdapterTable>> AdapterTable::Create(
    const AdapterOptions& options, const model::LanguageModel& model,
    ops::LinearFactory make_linear, store::AdapterCollection& store) {
  std::unique_ptr<AdapterTable> table(new AdapterTable(model, std::move(make_linear), store));
  for (const auto& [name, folder] : options.folders) {
    SCANSERVE_RETURN_IF_ERROR(table->LoadFolder(name, folder));
  }
  for (const store::StoredAdapter& stored : store.List()) {
    SCANSERVE_RETURN_IF_ERROR(table->LoadStored(stored));
  }
  for (const std::string& name : options.merged) {
    SCANSERVE_RETURN_IF_ERROR(table->MergeNewest(name));
  }
  SCANSERVE_RETURN_IF_ERROR(table->SetDefault(options.default_name));
  for (const Served& served : table->List()) LogServed(*served.adapter, model);
  return table;
}

absl::Status AdapterTable::LoadFolder(const std::string& name, const std::string& folder) {
  const auto adapter = model::Adapter::Load(name, folder, model_.config, make_linear_);
  if (!adapter.ok()) {
    return absl::Status(adapter.status().code(),
                        absl::StrCat("adapter ", name, ": ", adapter.status().message()));
  }
  Serve(name, (*adapter)->version(), {*adapter, std::nullopt});
  return absl::OkStatus();
}

absl::Status AdapterTable::LoadStored(const store::StoredAdapter& stored) {
  const store::AdapterRecord& record = stored.record;
  const bool damaged = stored.state == store::StoredAdapter::State::kDamaged;
  if (!damaged && record.model_digest != model_.digest) {
    LogInfo("adapter of another model, not served", {{"name", record.name},
                                                     {"version", record.version},
                                                     {"model_digest", record.model_digest}});
    return absl::OkStatus();
  }
  if (!CheckNotFolder(record.name).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--adapter ", record.name,
                     ": the store holds an adapter of that name; give another name, or start "
                     "without this one and unload that one"));
  }
  // Damage that the store found is in its warnings.
  absl::StatusOr<AdapterPtr> adapter = damaged ? AdapterPtr() : ReadStored(record);
  if (!adapter.ok()) {
    LogWarning("adapter is damaged and not served",
               {{"name", record.name},
                {"version", record.version},
                LogField::Whole("what", adapter.status().message())});
    adapter = AdapterPtr();
  }
  Serve(record.name, record.version, {*std::move(adapter), record.created});
  return absl::OkStatus();
}

absl::StatusOr<AdapterPtr> AdapterTable::ReadStored(const store::AdapterRecord& record) const {
  SCANSERVE_ASSIGN_OR_RETURN(auto files, store_.Read(record.name, record.version));
  SCANSERVE_ASSIGN_OR_RETURN(const auto content,
                             model::AdapterContent::Parse(
                                 {std::move(files.first), std::move(files.second)}, model_.config));
  if (content->digest() != record.digest) {
    return DigestMismatch("the content", content->digest(), record.digest);
  }
  return Make(record.name, record.version, *content, record.merged);
}

AdapterPtr AdapterTable::Make(const std::string& name, int64_t version,
                              const model::AdapterContent& content, bool merge) const {
  AdapterPtr adapter = model::Adapter::Create(name, version, content, model_.config, make_linear_);
  return merge ? adapter->Merge(*model_.network, make_linear_) : adapter;
}

absl::StatusOr<AdapterPtr> AdapterTable::NamedByOption(const char* option,
                                                       const std::string& name) const {
  absl::StatusOr<AdapterPtr> adapter = Find(name, 0, "");
  if (adapter.ok()) return adapter;
  return absl::Status(adapter.status().code(),
                      absl::StrCat(option, " ", name, ": ", adapter.status().message()));
}

absl::Status AdapterTable::MergeNewest(const std::string& name) {
  SCANSERVE_ASSIGN_OR_RETURN(const AdapterPtr adapter, NamedByOption("--merge-adapter", name));
  if (adapter->merged()) return absl::OkStatus();
  AdapterPtr merged = adapter->Merge(*model_.network, make_linear_);
  base::MutexLock lock(mutex_);
  adapters_.at(name).at(adapter->version()).adapter = std::move(merged);
  return absl::OkStatus();
}

absl::Status AdapterTable::SetDefault(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  SCANSERVE_ASSIGN_OR_RETURN(AdapterPtr adapter, NamedByOption("--default-adapter", name));
  base::MutexLock lock(mutex_);
  default_ = std::move(adapter);
  return absl::OkStatus();
}

void AdapterTable::Serve(const std::string& name, int64_t version, Served served) {
  base::MutexLock lock(mutex_);
  if (default_ != nullptr && default_->name() == name && default_->version() == version) {
    default_ = served.adapter;
  }
  adapters_[name].insert_or_assign(version, std::move(served));
}

absl::StatusOr<AdapterPtr> AdapterTable::Find(const std::string& name, int64_t version,
                                              const std::string& digest) const {
  if (name.empty() && digest.empty()) {
    return absl::InvalidArgumentError("an adapter is named by its name or its digest");
  }
  base::MutexLock lock(mutex_);
  if (name.empty()) return FindByDigest(digest);
  SCANSERVE_ASSIGN_OR_RETURN(AdapterPtr adapter, FindByName(name, version));
  if (digest.empty() || digest == adapter->digest()) return adapter;
  return DigestMismatch(Described(name, adapter->version()), adapter->digest(), digest);
}

absl::StatusOr<AdapterPtr> AdapterTable::FindByName(const std::string& name,
                                                    int64_t version) const {
  const auto versions = adapters_.find(name);
  if (versions == adapters_.end()) return NoAdapter(name, 0);
  const auto found =
      version == 0 ? std::prev(versions->second.end()) : versions->second.find(version);
  if (found == versions->second.end()) return NoAdapter(name, version);
  if (found->second.adapter != nullptr) return found->second.adapter;
  return absl::FailedPreconditionError(absl::StrCat(Described(name, found->first), " is damaged"));
}

absl::StatusOr<AdapterPtr> AdapterTable::FindByDigest(const std::string& digest) const {
  for (const auto& [name, versions] : adapters_) {
    for (const auto& [version, served] : versions) {
      if (served.adapter != nullptr && served.adapter->digest() == digest) return served.adapter;
    }
  }
  return NoAdapter(digest, 0);
}

AdapterPtr AdapterTable::default_adapter() const {
  base::MutexLock lock(mutex_);
  return default_;
}

std::vector<AdapterTable::Served> AdapterTable::List() const {
  base::MutexLock lock(mutex_);
  std::vector<Served> all;
  for (const auto& [name, versions] : adapters_) {
    for (const auto& [version, served] : versions) {
      if (served.adapter != nullptr) all.push_back(served);
    }
  }
  return all;
}

absl::Status AdapterTable::CheckNotFolder(const std::string& name) const {
  base::MutexLock lock(mutex_);
  const auto versions = adapters_.find(name);
  if (versions == adapters_.end() || versions->second.begin()->second.stored.has_value()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "adapter ", name, " is one that the server was started with (--adapter): it stays as it is"));
}

absl::StatusOr<AdapterTable::PutResult> AdapterTable::Put(Content content) {
  SCANSERVE_RETURN_IF_ERROR(store::ValidateName(content.name));
  SCANSERVE_RETURN_IF_ERROR(CheckNotFolder(content.name));
  SCANSERVE_ASSIGN_OR_RETURN(const auto parsed,
                             model::AdapterContent::Parse(std::move(content.files), model_.config));
  if (!content.expected_digest.empty() && content.expected_digest != parsed->digest()) {
    return DigestMismatch("the content", parsed->digest(), content.expected_digest);
  }
  base::MutexLock change(changes_);
  store::AdapterRecord draft;
  draft.name = content.name;
  draft.digest = parsed->digest();
  draft.model_digest = model_.digest;
  draft.merged = content.merge.value_or(false);
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto put,
      store_.Put(draft, {parsed->files().config, parsed->files().tensors}, content.must_be_new));
  const store::AdapterRecord& record = put.record;
  if (content.merge && *content.merge != record.merged) {
    SCANSERVE_RETURN_IF_ERROR(store_.SetMerged(record.name, record.version, *content.merge));
  }
  const AdapterPtr present = Find(record.name, record.version, "").value_or(nullptr);
  const bool merge = content.merge.value_or(present == nullptr ? record.merged : present->merged());
  if (present != nullptr && present->merged() == merge) {
    return PutResult{{present, record.created}, put.created};
  }
  const Served served = {Make(record.name, record.version, *parsed, merge), record.created};
  Serve(record.name, record.version, served);
  LogServed(*served.adapter, model_);
  return PutResult{served, put.created};
}

absl::StatusOr<std::vector<int64_t>> AdapterTable::Doomed(const std::string& name,
                                                          int64_t version) const {
  SCANSERVE_RETURN_IF_ERROR(CheckNotFolder(name));
  base::MutexLock lock(mutex_);
  const auto versions = adapters_.find(name);
  if (versions == adapters_.end()) return NoAdapter(name, 0);
  std::vector<int64_t> doomed;
  for (const auto& [number, served] : versions->second) {
    if (version != 0 && version != number) continue;
    if (default_ != nullptr && default_ == served.adapter) {
      return absl::FailedPreconditionError(
          absl::StrCat(Described(name, number), " is the default adapter"));
    }
    doomed.push_back(number);
  }
  if (doomed.empty()) return NoAdapter(name, version);
  return doomed;
}

absl::StatusOr<AdapterTable::Unloaded> AdapterTable::Unload(const std::string& name,
                                                            int64_t version,
                                                            const std::string& digest) {
  base::MutexLock change(changes_);
  std::string found_name = name;
  if (name.empty() || !digest.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(const AdapterPtr adapter, Find(name, version, digest));
    found_name = adapter->name();
    version = adapter->version();
  }
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<int64_t> doomed, Doomed(found_name, version));
  SCANSERVE_RETURN_IF_ERROR(store_.Delete(found_name, version, model_.digest));
  Unloaded unloaded;
  base::MutexLock lock(mutex_);
  const auto versions = adapters_.find(found_name);
  for (const int64_t number : doomed) {
    const auto found = versions->second.find(number);
    if (found->second.adapter != nullptr) {
      unloaded.memory_bytes += found->second.adapter->memory_bytes();
    }
    ++unloaded.versions;
    versions->second.erase(found);
  }
  if (versions->second.empty()) adapters_.erase(versions);
  return unloaded;
}

}  // namespace scanserve::server
