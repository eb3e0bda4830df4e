// The experiments on the model served: the one that runs, and those before it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/store/experiment_collection.h"
#include "scanserve/v1/experiment_service.pb.h"
#include "server/adapter_table.h"
#include "server/audit_log.h"
#include "server/running_experiment.h"
#include "server/scan_selector.h"

namespace scanserve::server {

struct ExperimentReading {
  store::ExperimentRecord record;
  std::shared_ptr<const v1::ExperimentResults> results;
};

// Thread-safe. What says so waits for the disk; the rest never does.
class ExperimentTable {
 public:
  // Goes on with the experiment that runs, from what was saved last. One whose order or adapter is
  // not there any more ends (kArmLost). FAILED_PRECONDITION when its statistics are damaged or
  // gone, or its rule of assignment is not known here. `store`, `scans`, `adapters` and `audit`,
  // which is told of experiments that end by themselves, outlive the table.
  static absl::StatusOr<std::unique_ptr<ExperimentTable>> Create(store::ExperimentCollection& store,
                                                                 std::string model_digest,
                                                                 const ScanSelector& scans,
                                                                 const AdapterTable& adapters,
                                                                 AuditLog& audit);
  // Saves what is unsaved.
  ~ExperimentTable();

  // The arm of a request that takes part; null when it does not, or no experiment runs.
  std::shared_ptr<const ArmTicket> Assign(absl::string_view unit_key,
                                          absl::string_view request_id) const;
  // Null when none runs.
  std::shared_ptr<RunningExperiment> running() const;
  // FAILED_PRECONDITION when the experiment that runs serves `adapter`.
  absl::Status CheckUnused(const model::Adapter& adapter) const;

  // Starts an experiment whose design is complete; `arms` are in its order. Errors of
  // experiment::Validate and ExperimentCollection::Create. Waits for the disk.
  absl::StatusOr<store::ExperimentRecord> Start(experiment::Design design,
                                                std::vector<PinnedArm> arms);
  // Ends one, if it runs. NOT_FOUND. Waits for the disk.
  absl::StatusOr<store::ExperimentRecord> Stop(absl::string_view id);
  // Newest first.
  std::vector<store::ExperimentRecord> List() const;
  // One with its results; an empty id is the one that runs. NOT_FOUND. One caller at a time
  // computes results, and requests go on meanwhile. While it runs they may be those that the last
  // caller got less than a microsecond ago for each unit: a tenth of a second for 100,000. Waits
  // for the disk, when it has ended.
  using Compute = absl::FunctionRef<v1::ExperimentResults(const experiment::Statistics&)>;
  absl::StatusOr<ExperimentReading> Read(absl::string_view id, absl::Time now, Compute compute);

  // Ends the experiment if its time is up, and saves what was counted since the last time: a crash
  // loses what came after. Waits for the disk.
  void Save();

 private:
  ExperimentTable(store::ExperimentCollection& store, std::string model_digest, AuditLog& audit)
      : store_(store), model_digest_(std::move(model_digest)), audit_(audit) {}

  absl::Status Resume(const store::ExperimentRecord& record, const ScanSelector& scans,
                      const AdapterTable& adapters);
  // FAILED_PRECONDITION when they are damaged or gone.
  absl::StatusOr<experiment::Statistics> ReadStatistics(
      const store::ExperimentRecord& record) const;
  absl::Status SaveRunning() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_);
  ExperimentReading ReadRunning(RunningExperiment& experiment, absl::Time now, Compute compute)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(reading_);
  absl::StatusOr<ExperimentReading> ReadEnded(absl::string_view id, absl::Time now, Compute compute)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(reading_);
  void Swap(std::shared_ptr<RunningExperiment> running);

  store::ExperimentCollection& store_;
  const std::string model_digest_;
  AuditLog& audit_;
  // Held through a change; taken before mutex_.
  base::Mutex changes_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable base::Mutex mutex_;
  std::shared_ptr<RunningExperiment> running_ ABSL_GUARDED_BY(mutex_);

  // What was read last, for who asks for the same again.
  struct Latest {
    std::string id;
    RunningExperiment::Progress progress;
    absl::Time time;
    std::shared_ptr<const v1::ExperimentResults> results;
  };
  // Held while results are computed; taken before mutex_.
  base::Mutex reading_ ABSL_ACQUIRED_BEFORE(mutex_);
  Latest latest_ ABSL_GUARDED_BY(reading_);
};

}  // namespace scanserve::server
