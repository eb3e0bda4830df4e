#include "server/experiment_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "server/log.h"

namespace scanserve::server {
namespace {

using experiment::Statistics;

// As it is told of an experiment that nobody asked to stop.
constexpr char kStopMethod[] = "StopExperiment";

// Computing takes a fifth of it: who asks all the time leaves the thread to others.
constexpr absl::Duration kMaxAgeOfUnit = absl::Microseconds(1);

absl::StatusOr<PinnedArm> Pin(const store::ExperimentArm& arm, const ScanSelector& scans,
                              const AdapterTable& adapters) {
  PinnedArm pinned;
  store::ScanSettingRequest request;
  request.order = arm.scan.order_ref();
  request.target_layers = arm.scan.target_layers;
  request.readout = arm.scan.readout;
  SCANSERVE_ASSIGN_OR_RETURN(pinned.scan, scans.Pin(request));
  if (arm.adapter_name.empty()) return pinned;
  SCANSERVE_ASSIGN_OR_RETURN(
      pinned.adapter, adapters.Find(arm.adapter_name, arm.adapter_version, arm.adapter_digest));
  return pinned;
}

store::ExperimentArm Unpinned(const PinnedArm& pinned) {
  store::ExperimentArm arm;
  arm.scan = pinned.scan->setting;
  if (pinned.adapter == nullptr) return arm;
  arm.adapter_name = pinned.adapter->name();
  arm.adapter_version = pinned.adapter->version();
  arm.adapter_digest = pinned.adapter->digest();
  return arm;
}

absl::Status InExperiment(absl::string_view id, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("experiment ", id, ": ", status.message()));
}

Change EndOf(const std::string& id, const char* why) {
  Change change;
  change.name = id;
  change.detail = why;
  return change;
}

experiment::Stop StoppedNow(experiment::StopReason reason) {
  experiment::Stop stop;
  stop.reason = reason;
  stop.time = absl::Now();
  return stop;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExperimentTable>> ExperimentTable::Create(
    store::ExperimentCollection& store, std::string model_digest, const ScanSelector& scans,
    const AdapterTable& adapters, AuditLog& audit) {
  auto table =
      std::unique_ptr<ExperimentTable>(new ExperimentTable(store, std::move(model_digest), audit));
  for (const store::ExperimentRecord& record : table->List()) {
    if (!record.running()) continue;
    const absl::Status resumed = table->Resume(record, scans, adapters);
    if (!resumed.ok()) return InExperiment(record.design.id, resumed);
  }
  return table;
}

ExperimentTable::~ExperimentTable() { Save(); }

absl::Status ExperimentTable::Resume(const store::ExperimentRecord& record,
                                     const ScanSelector& scans, const AdapterTable& adapters) {
  const std::string& id = record.design.id;
  if (record.assignment != experiment::kAssignmentRule) {
    return absl::FailedPreconditionError(
        absl::StrCat("it assigns by rule ", record.assignment, ", which is not known here"));
  }
  std::vector<PinnedArm> arms;
  for (const store::ExperimentArm& arm : record.arms) {
    absl::StatusOr<PinnedArm> pinned = Pin(arm, scans, adapters);
    if (!pinned.ok()) {
      LogWarning("experiment ended",
                 {{"experiment", id}, LogField::Whole("why", pinned.status().message())});
      audit_.TellOwn(kStopMethod, EndOf(id, "an arm is lost"));
      return store_.Stop(model_digest_, id, StoppedNow(experiment::StopReason::kArmLost));
    }
    arms.push_back(*std::move(pinned));
  }
  absl::StatusOr<Statistics> statistics = ReadStatistics(record);
  if (!statistics.ok()) {
    return absl::Status(statistics.status().code(),
                        absl::StrCat(store_.StatisticsPath(model_digest_, id), ": ",
                                     statistics.status().message()));
  }
  LogInfo("experiment goes on",
          {{"experiment", id}, {"units", statistics->sample_ratio().units()}});
  Swap(std::make_shared<RunningExperiment>(record, std::move(arms), *std::move(statistics)));
  return absl::OkStatus();
}

absl::StatusOr<Statistics> ExperimentTable::ReadStatistics(
    const store::ExperimentRecord& record) const {
  const auto saved = store_.ReadStatistics(model_digest_, record.design.id);
  if (absl::IsNotFound(saved.status())) {
    return absl::FailedPreconditionError("the statistics are gone");
  }
  SCANSERVE_RETURN_IF_ERROR(saved.status());
  return Statistics::Restore(record.design, *saved);
}

std::shared_ptr<RunningExperiment> ExperimentTable::running() const {
  base::MutexLock lock(mutex_);
  return running_;
}

std::shared_ptr<const ArmTicket> ExperimentTable::Assign(absl::string_view unit_key,
                                                         absl::string_view request_id) const {
  const std::shared_ptr<RunningExperiment> now = running();
  if (now == nullptr || now->stop()) return nullptr;
  return now->Assign(unit_key, request_id);
}

absl::Status ExperimentTable::CheckUnused(const model::Adapter& adapter) const {
  const std::shared_ptr<RunningExperiment> now = running();
  if (now == nullptr || now->stop()) return absl::OkStatus();
  for (const PinnedArm& arm : now->arms()) {
    if (arm.adapter == nullptr || arm.adapter->name() != adapter.name() ||
        arm.adapter->version() != adapter.version()) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat("adapter ", adapter.name(), " version ",
                                                      adapter.version(), " is in experiment ",
                                                      now->design().id, ", which is running"));
  }
  return absl::OkStatus();
}

absl::StatusOr<store::ExperimentRecord> ExperimentTable::Start(experiment::Design design,
                                                               std::vector<PinnedArm> arms) {
  SCANSERVE_RETURN_IF_ERROR(experiment::Validate(design));
  store::ExperimentRecord record;
  record.design = std::move(design);
  for (const PinnedArm& arm : arms) record.arms.push_back(Unpinned(arm));
  record.assignment = std::string(experiment::kAssignmentRule);
  record.created = absl::Now();
  base::MutexLock change(changes_);
  // One that a rule has ended may not be known to the store yet.
  SCANSERVE_RETURN_IF_ERROR(SaveRunning());
  Statistics statistics(record.design);
  SCANSERVE_RETURN_IF_ERROR(store_.Create(model_digest_, record, statistics.Save()));
  Swap(std::make_shared<RunningExperiment>(record, std::move(arms), std::move(statistics)));
  return record;
}

absl::StatusOr<store::ExperimentRecord> ExperimentTable::Stop(absl::string_view id) {
  base::MutexLock change(changes_);
  const std::shared_ptr<RunningExperiment> now = running();
  if (now != nullptr && now->design().id == id) {
    now->End(StoppedNow(experiment::StopReason::kRequest));
    SCANSERVE_RETURN_IF_ERROR(SaveRunning());
  }
  return store_.Find(model_digest_, id);
}

std::vector<store::ExperimentRecord> ExperimentTable::List() const {
  return store_.List(model_digest_);
}

absl::StatusOr<ExperimentReading> ExperimentTable::Read(absl::string_view id, absl::Time now,
                                                        Compute compute) {
  base::MutexLock reading(reading_);
  const std::shared_ptr<RunningExperiment> runs = running();
  if (runs != nullptr && (id.empty() || runs->design().id == id)) {
    return ReadRunning(*runs, now, compute);
  }
  if (id.empty()) return absl::NotFoundError("no experiment is running");
  return ReadEnded(id, now, compute);
}

ExperimentReading ExperimentTable::ReadRunning(RunningExperiment& experiment, absl::Time now,
                                               Compute compute) {
  const std::string& id = experiment.design().id;
  RunningExperiment::Progress progress = experiment.progress();
  const bool same = latest_.id == id && latest_.progress.changes == progress.changes;
  const bool young = latest_.id == id && !progress.stop && now >= latest_.time &&
                     now - latest_.time < kMaxAgeOfUnit * progress.units;
  if (!same && !young) {
    const RunningExperiment::Snapshot snapshot = experiment.TakeSnapshot();
    progress = snapshot.progress;
    latest_ = {id, progress, now,
               std::make_shared<const v1::ExperimentResults>(compute(*snapshot.statistics))};
  }
  latest_.progress.stop = progress.stop;
  ExperimentReading reading = {experiment.record(), latest_.results};
  reading.record.stop = progress.stop;
  return reading;
}

absl::StatusOr<ExperimentReading> ExperimentTable::ReadEnded(absl::string_view id, absl::Time now,
                                                             Compute compute) {
  SCANSERVE_ASSIGN_OR_RETURN(store::ExperimentRecord record, store_.Find(model_digest_, id));
  if (latest_.id != id || !latest_.progress.stop) {
    const auto statistics = ReadStatistics(record);
    if (!statistics.ok()) return InExperiment(id, statistics.status());
    latest_ = {std::string(id), RunningExperiment::Progress(), now,
               std::make_shared<const v1::ExperimentResults>(compute(*statistics))};
    latest_.progress.stop = record.stop;
  }
  return ExperimentReading{std::move(record), latest_.results};
}

void ExperimentTable::Save() {
  base::MutexLock change(changes_);
  const std::shared_ptr<RunningExperiment> now = running();
  if (now == nullptr) return;
  now->CheckTime(absl::Now());
  const absl::Status saved = SaveRunning();
  if (!saved.ok()) {
    LogWarning("experiment not saved",
               {{"experiment", now->design().id}, LogField::Whole("why", saved.message())});
  }
}

// The statistics first: an experiment that has ended has its last ones.
absl::Status ExperimentTable::SaveRunning() {
  const std::shared_ptr<RunningExperiment> now = running();
  if (now == nullptr) return absl::OkStatus();
  const std::string& id = now->design().id;
  const std::optional<experiment::Stop> stop = now->stop();
  if (const std::optional<std::string> unsaved = now->TakeUnsaved()) {
    const absl::Status saved = store_.SaveStatistics(model_digest_, id, *unsaved);
    if (!saved.ok()) {
      now->MarkUnsaved();
      return saved;
    }
  }
  if (!stop) return absl::OkStatus();
  SCANSERVE_RETURN_IF_ERROR(store_.Stop(model_digest_, id, *stop));
  LogInfo("experiment ended", {{"experiment", id},
                               {"reason", static_cast<int64_t>(stop->reason)},
                               {"arm", stop->arm},
                               {"observations", stop->observations}});
  if (stop->reason != experiment::StopReason::kRequest) {
    audit_.TellOwn(kStopMethod, EndOf(id, "by its own rules"));
  }
  Swap(nullptr);
  return absl::OkStatus();
}

void ExperimentTable::Swap(std::shared_ptr<RunningExperiment> running) {
  base::MutexLock lock(mutex_);
  running_.swap(running);
}

}  // namespace scanserve::server
