// An experiment while it runs: what its arms serve, who is in which, and what it has counted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"
#include "core/experiment/assignment.h"
#include "core/experiment/statistics.h"
#include "core/store/experiment_record.h"
#include "server/adapter_table.h"
#include "server/scan_selector.h"

namespace scanserve::server {

class RunningExperiment;

// What an arm serves, in memory: neither can be deleted while this is held.
struct PinnedArm {
  std::shared_ptr<const PinnedScan> scan;
  // Null is the base model.
  AdapterPtr adapter;
};

// The place of one request in an experiment. Immutable; holding it keeps the experiment.
struct ArmTicket {
  std::shared_ptr<RunningExperiment> experiment;
  size_t arm = 0;
  experiment::UnitKey unit;
  // The unit is the request's id, since it named none.
  bool unsticky = false;

  const std::string& experiment_id() const;
  const std::string& arm_name() const;
  const PinnedArm& pinned() const;
};

// Thread-safe. Once it has ended its statistics stay as they are, whatever is still recorded.
class RunningExperiment : public std::enable_shared_from_this<RunningExperiment> {
 public:
  RunningExperiment(store::ExperimentRecord record, std::vector<PinnedArm> arms,
                    experiment::Statistics statistics);

  const store::ExperimentRecord& record() const { return record_; }
  const experiment::Design& design() const { return record_.design; }
  const std::vector<PinnedArm>& arms() const { return arms_; }

  // The arm of a request, by its unit's key or, when that is empty, by its own id. Null: it does
  // not take part.
  std::shared_ptr<const ArmTicket> Assign(absl::string_view unit_key, absl::string_view request_id);

  // The request of a ticket goes to the engine, and has ended.
  void Expose(const ArmTicket& ticket);
  void Record(const ArmTicket& ticket, const experiment::Outcome& outcome);

  // The arms under which the prompt of a request that takes part is scored too; counts them.
  std::vector<size_t> Sample(absl::string_view request_id);
  void CountDropped(size_t arm, experiment::ShadowDrop drop);
  // It was scored; `cluster` is arm - control.
  void AddPaired(size_t arm, const experiment::UnitKey& unit,
                 const compare::PairedCluster& cluster);

  // The same of an answer that the control or `arm`, whichever `writer` is, wrote; counts it when
  // it is taken up, dropped and scored.
  void CountAnswer(size_t arm, size_t writer);
  void CountAnswerDropped(size_t arm, size_t writer, experiment::ShadowDrop drop);
  void AddAnswer(size_t arm, size_t writer, const experiment::UnitKey& unit,
                 const experiment::AnswerPair& answer);

  // Ends it, unless it has ended.
  void End(const experiment::Stop& stop);
  // Ends it when its time is up.
  void CheckTime(absl::Time now);
  std::optional<experiment::Stop> stop() const;

  // How far it is.
  struct Progress {
    // Two with the same number have the same statistics.
    int64_t changes = 0;
    int64_t units = 0;
    std::optional<experiment::Stop> stop;
  };
  Progress progress() const;
  // The statistics as they are, for reading while requests go on. While it is held, memory grows by
  // what changes of them.
  struct Snapshot {
    Progress progress;
    std::unique_ptr<const experiment::Statistics> statistics;
  };
  Snapshot TakeSnapshot();
  // What to save, when something was counted since the last time.
  std::optional<std::string> TakeUnsaved();
  // The next TakeUnsaved gives something: what the last one gave could not be saved.
  void MarkUnsaved();

 private:
  Progress ProgressNow() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets `change` have what `writer` wrote, unless the experiment has ended.
  void ChangeDrift(size_t arm, size_t writer,
                   absl::FunctionRef<void(experiment::AnswerDrift&)> change);

  const store::ExperimentRecord record_;
  const std::vector<PinnedArm> arms_;
  const experiment::Assignment assignment_;
  mutable base::Mutex mutex_;
  experiment::Statistics statistics_ ABSL_GUARDED_BY(mutex_);
  std::optional<experiment::Stop> stop_ ABSL_GUARDED_BY(mutex_);
  int64_t changes_ ABSL_GUARDED_BY(mutex_) = 1;
  // As of the last save; 0 when there is none.
  int64_t saved_changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace scanserve::server
