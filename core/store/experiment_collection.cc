#include "core/store/experiment_collection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::store {
namespace {

constexpr size_t kMaxExperiments = 1'000;

}  // namespace

absl::Status ExperimentCollection::Open(std::vector<std::string>& warnings) {
  SCANSERVE_ASSIGN_OR_RETURN(auto stored, folder_.ReadAll(warnings));
  base::MutexLock lock(mutex_);
  for (ExperimentFolder::Stored& entry : stored) {
    const std::string id = entry.record.design.id;
    models_[entry.model_digest].emplace(id, std::move(entry.record));
  }
  return absl::OkStatus();
}

absl::Status ExperimentCollection::CheckRoomFor(absl::string_view model_digest,
                                                const ExperimentRecord& record) const {
  base::MutexLock lock(mutex_);
  const auto records = models_.find(model_digest);
  if (records == models_.end()) return absl::OkStatus();
  if (records->second.contains(record.design.id)) {
    return absl::AlreadyExistsError(
        absl::StrCat("experiment ", record.design.id, " was created before"));
  }
  for (const auto& [id, other] : records->second) {
    if (other.running()) {
      return absl::FailedPreconditionError(
          absl::StrCat("experiment ", id, " is running: stop it first"));
    }
  }
  if (records->second.size() < kMaxExperiments) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the store holds ", records->second.size(),
                                                 " experiments of the model, the limit is ",
                                                 kMaxExperiments));
}

absl::Status ExperimentCollection::Create(absl::string_view model_digest,
                                          const ExperimentRecord& record,
                                          absl::string_view statistics) {
  base::MutexLock change(changes_);
  SCANSERVE_RETURN_IF_ERROR(CheckRoomFor(model_digest, record));
  // First: a record without them is one that has lost them.
  SCANSERVE_RETURN_IF_ERROR(folder_.WriteStatistics(model_digest, record.design.id, statistics));
  SCANSERVE_RETURN_IF_ERROR(folder_.WriteRecord(model_digest, record));
  Keep(model_digest, record);
  return absl::OkStatus();
}

absl::Status ExperimentCollection::Stop(absl::string_view model_digest, absl::string_view id,
                                        const experiment::Stop& stop) {
  base::MutexLock change(changes_);
  SCANSERVE_ASSIGN_OR_RETURN(ExperimentRecord record, Find(model_digest, id));
  if (!record.running()) return absl::OkStatus();
  record.stop = stop;
  SCANSERVE_RETURN_IF_ERROR(folder_.WriteRecord(model_digest, record));
  Keep(model_digest, record);
  return absl::OkStatus();
}

void ExperimentCollection::Keep(absl::string_view model_digest, const ExperimentRecord& record) {
  base::MutexLock lock(mutex_);
  models_[std::string(model_digest)].insert_or_assign(record.design.id, record);
}

absl::StatusOr<ExperimentRecord> ExperimentCollection::Find(absl::string_view model_digest,
                                                            absl::string_view id) const {
  base::MutexLock lock(mutex_);
  const auto records = models_.find(model_digest);
  if (records != models_.end()) {
    const auto found = records->second.find(id);
    if (found != records->second.end()) return found->second;
  }
  return absl::NotFoundError(absl::StrCat("no experiment ", QuotedForMessage(id)));
}

std::vector<ExperimentRecord> ExperimentCollection::List(absl::string_view model_digest) const {
  std::vector<ExperimentRecord> all;
  {
    base::MutexLock lock(mutex_);
    const auto records = models_.find(model_digest);
    if (records == models_.end()) return all;
    for (const auto& [id, record] : records->second) all.push_back(record);
  }
  std::ranges::stable_sort(all, [](const ExperimentRecord& a, const ExperimentRecord& b) {
    return a.created > b.created;
  });
  return all;
}

std::optional<std::string> ExperimentCollection::RunningWith(const OrderRecord& order) const {
  base::MutexLock lock(mutex_);
  for (const auto& [model, records] : models_) {
    for (const auto& [id, record] : records) {
      const auto serves = [&order](const ExperimentArm& arm) {
        return arm.scan.order_name == order.name && arm.scan.order_version == order.version;
      };
      if (record.running() && std::ranges::any_of(record.arms, serves)) return id;
    }
  }
  return std::nullopt;
}

absl::Status ExperimentCollection::SaveStatistics(absl::string_view model_digest,
                                                  absl::string_view id,
                                                  absl::string_view statistics) const {
  return folder_.WriteStatistics(model_digest, id, statistics);
}

absl::StatusOr<std::string> ExperimentCollection::ReadStatistics(absl::string_view model_digest,
                                                                 absl::string_view id) const {
  return folder_.ReadStatistics(model_digest, id);
}

}  // namespace scanserve::store
