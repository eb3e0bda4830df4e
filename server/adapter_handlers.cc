#include "server/adapter_handlers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/confined_folder.h"
#include "core/base/status_macros.h"
#include "core/store/order_record.h"
#include "server/convert_time.h"
#include "server/experiment_table.h"
#include "server/request_setting.h"

namespace scanserve::server {
namespace {

v1::Adapter AdapterToProto(const AdapterTable::Served& served, int64_t model_parameters) {
  const model::Adapter& adapter = *served.adapter;
  v1::Adapter proto;
  proto.set_name(adapter.name());
  proto.set_version(adapter.version());
  proto.set_digest(adapter.digest());
  proto.set_rank(adapter.max_rank());
  proto.set_modules(adapter.modules_matched());
  proto.mutable_target_modules()->Assign(adapter.target_modules().begin(),
                                         adapter.target_modules().end());
  proto.set_trainable_params(adapter.trainable_parameters());
  proto.set_all_params(model_parameters + adapter.trainable_parameters());
  proto.set_memory_bytes(adapter.memory_bytes());
  proto.set_merged(adapter.merged());
  if (served.stored) *proto.mutable_created() = TimestampToProto(*served.stored);
  return proto;
}

// Stores under the name that is asked for in `change`. Response: LoadAdapter's or UploadAdapter's.
template <typename Response>
absl::Status Put(Backend& backend, const v1::AdapterStorage& storage, model::AdapterFiles files,
                 Change& change, Response* response) {
  AdapterTable::Content content;
  content.name = change.name;
  content.files = std::move(files);
  content.must_be_new = storage.must_be_new();
  content.expected_digest = storage.digest();
  if (storage.has_merge()) content.merge = storage.merge();
  if (const auto newest = backend.adapters().Find(change.name, 0, ""); newest.ok()) {
    change.old_digest = (*newest)->digest();
  }
  SCANSERVE_ASSIGN_OR_RETURN(const auto put, backend.adapters().Put(std::move(content)));
  const model::Adapter& adapter = *put.served.adapter;
  change.version = adapter.version();
  change.new_digest = adapter.digest();
  change.revision = backend.store().revision();
  change.detail = absl::StrCat(put.created ? "created" : "was there",
                               adapter.merged() ? " merged" : " unmerged");
  *response->mutable_adapter() = AdapterToProto(put.served, backend.model().parameters);
  response->set_created(put.created);
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::StatusOr<model::AdapterFiles> ReadBelowRoot(const std::string& root,
                                                  const std::string& folder_name) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto opened_root, base::ConfinedFolder::Open(root));
  SCANSERVE_ASSIGN_OR_RETURN(const auto folder, opened_root.OpenFolder(folder_name));
  model::AdapterFiles files;
  SCANSERVE_ASSIGN_OR_RETURN(files.config, folder.ReadFile(model::AdapterFiles::kConfigName,
                                                           model::AdapterFiles::kMaxConfigBytes));
  SCANSERVE_ASSIGN_OR_RETURN(files.tensors, folder.ReadFile(model::AdapterFiles::kTensorsName,
                                                            model::AdapterFiles::kMaxTensorsBytes));
  return files;
}

// An adapter goes with all its versions unless one is named. Starting an experiment is a task of
// the same thread, so that none starts in between.
absl::Status CheckNotInExperiment(Backend& backend, const v1::AdapterRef& ref) {
  for (const AdapterTable::Served& served : backend.adapters().List()) {
    const model::Adapter& adapter = *served.adapter;
    const bool named = ref.name().empty() || ref.name() == adapter.name();
    const bool version = ref.version() == 0 || ref.version() == adapter.version();
    const bool digest = ref.digest().empty() || ref.digest() == adapter.digest();
    if (!named || !version || !digest) continue;
    SCANSERVE_RETURN_IF_ERROR(backend.experiments().CheckUnused(adapter));
  }
  return absl::OkStatus();
}

// Tells each version that could be named and cannot any more when this goes.
class UnloadingWatch {
 public:
  UnloadingWatch(const Backend& backend, std::vector<Change>& removed)
      : backend_(backend), removed_(removed), before_(backend.adapters().List()) {}
  ~UnloadingWatch() {
    for (const AdapterTable::Served& served : before_) {
      const model::Adapter& was = *served.adapter;
      if (backend_.adapters().Find(was.name(), was.version(), "").ok()) continue;
      removed_.push_back(
          {was.name(), was.version(), was.digest(), "", backend_.store().revision(), ""});
    }
  }
  UnloadingWatch(const UnloadingWatch&) = delete;
  UnloadingWatch& operator=(const UnloadingWatch&) = delete;

 private:
  const Backend& backend_;
  std::vector<Change>& removed_;
  const std::vector<AdapterTable::Served> before_;
};

absl::Status InField(const char* field, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(field, ": ", status.message()));
}

}  // namespace

absl::Status ListAdapters(const Backend& backend, v1::ListAdaptersResponse* response) {
  for (const AdapterTable::Served& served : backend.adapters().List()) {
    *response->add_adapters() = AdapterToProto(served, backend.model().parameters);
  }
  if (const AdapterPtr assigned = backend.adapters().default_adapter()) {
    *response->mutable_default_adapter() = AdapterRefToProto(*assigned);
  }
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status LoadAdapter(Backend& backend, const v1::LoadAdapterRequest& request,
                         ChangeReport& report, v1::LoadAdapterResponse* response) {
  if (backend.options().adapter_root.empty()) {
    return absl::FailedPreconditionError("the server was started without --adapter-root");
  }
  const std::string& folder = request.folder();
  if (const absl::Status valid = store::ValidateName(folder); !valid.ok()) {
    return InField("folder", valid);
  }
  auto files = ReadBelowRoot(backend.options().adapter_root, folder);
  if (!files.ok()) return InField("folder", files.status());
  const std::string& name = request.storage().name();
  report.asked.name = name.empty() ? folder : name;
  return Put(backend, request.storage(), *std::move(files), report.asked, response);
}

absl::Status UnloadAdapter(Backend& backend, const v1::UnloadAdapterRequest& request,
                           ChangeReport& report, v1::UnloadAdapterResponse* response) {
  const v1::AdapterRef& ref = request.adapter();
  report.asked.version = ref.version();
  SCANSERVE_RETURN_IF_ERROR(CheckNotInExperiment(backend, ref));
  const UnloadingWatch watch(backend, report.removed);
  SCANSERVE_ASSIGN_OR_RETURN(const auto unloaded,
                             backend.adapters().Unload(ref.name(), ref.version(), ref.digest()));
  response->set_unloaded_versions(unloaded.versions);
  response->set_memory_bytes(unloaded.memory_bytes);
  report.asked.revision = backend.store().revision();
  response->set_revision(backend.store().revision());
  return absl::OkStatus();
}

absl::Status StoreAdapter(Backend& backend, const v1::AdapterStorage& storage,
                          model::AdapterFiles files, ChangeReport& report,
                          v1::UploadAdapterResponse* response) {
  return Put(backend, storage, std::move(files), report.asked, response);
}

}  // namespace scanserve::server
