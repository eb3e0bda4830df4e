#include "server/running_experiment.h"

#include <utility>

#include "absl/time/clock.h"

namespace scanserve::server {

const std::string& ArmTicket::experiment_id() const { return experiment->design().id; }
const std::string& ArmTicket::arm_name() const { return experiment->design().arms[arm].name; }
const PinnedArm& ArmTicket::pinned() const { return experiment->arms()[arm]; }

RunningExperiment::RunningExperiment(store::ExperimentRecord record, std::vector<PinnedArm> arms,
                                     experiment::Statistics statistics)
    : record_(std::move(record)),
      arms_(std::move(arms)),
      assignment_(record_.design),
      statistics_(std::move(statistics)) {}

std::shared_ptr<const ArmTicket> RunningExperiment::Assign(absl::string_view unit_key,
                                                           absl::string_view request_id) {
  const absl::string_view unit = unit_key.empty() ? request_id : unit_key;
  if (!assignment_.IsExposed(unit)) return nullptr;
  auto ticket = std::make_shared<ArmTicket>();
  ticket->experiment = shared_from_this();
  ticket->arm = assignment_.ArmOf(unit);
  ticket->unit = experiment::UnitKey::Of(unit);
  ticket->unsticky = unit_key.empty();
  return ticket;
}

void RunningExperiment::Expose(const ArmTicket& ticket) {
  base::MutexLock lock(mutex_);
  if (stop_) return;
  ++changes_;
  stop_ = statistics_.Expose(ticket.unit, ticket.arm, absl::Now());
}

void RunningExperiment::Record(const ArmTicket& ticket, const experiment::Outcome& outcome) {
  base::MutexLock lock(mutex_);
  if (stop_) return;
  ++changes_;
  stop_ = statistics_.Record(ticket.unit, outcome, absl::Now());
}

std::vector<size_t> RunningExperiment::Sample(absl::string_view request_id) {
  std::vector<size_t> sampled;
  base::MutexLock lock(mutex_);
  if (stop_) return sampled;
  for (size_t arm = 1; arm < arms_.size(); ++arm) {
    if (design().arms[arm].shadow == 0) continue;
    const bool chosen = assignment_.IsShadowed(arm, request_id);
    statistics_.CountEligible(arm, chosen);
    if (chosen) sampled.push_back(arm);
  }
  ++changes_;
  return sampled;
}

void RunningExperiment::CountDropped(size_t arm, experiment::ShadowDrop drop) {
  base::MutexLock lock(mutex_);
  if (stop_) return;
  ++changes_;
  statistics_.CountDropped(arm, drop);
}

void RunningExperiment::AddPaired(size_t arm, const experiment::UnitKey& unit,
                                  const compare::PairedCluster& cluster) {
  base::MutexLock lock(mutex_);
  if (stop_) return;
  ++changes_;
  stop_ = statistics_.AddPaired(arm, unit, cluster, absl::Now());
}

void RunningExperiment::ChangeDrift(size_t arm, size_t writer,
                                    absl::FunctionRef<void(experiment::AnswerDrift&)> change) {
  base::MutexLock lock(mutex_);
  if (stop_) return;
  ++changes_;
  experiment::PairDrift& drift = statistics_.drift(arm);
  change(writer == 0 ? drift.of_control : drift.of_arm);
}

void RunningExperiment::CountAnswer(size_t arm, size_t writer) {
  ChangeDrift(arm, writer, [](experiment::AnswerDrift& drift) { drift.CountAnswer(); });
}

void RunningExperiment::CountAnswerDropped(size_t arm, size_t writer, experiment::ShadowDrop drop) {
  ChangeDrift(arm, writer, [drop](experiment::AnswerDrift& drift) { drift.CountDropped(drop); });
}

void RunningExperiment::AddAnswer(size_t arm, size_t writer, const experiment::UnitKey& unit,
                                  const experiment::AnswerPair& answer) {
  ChangeDrift(arm, writer, [&](experiment::AnswerDrift& drift) { drift.Add(unit, answer); });
}

void RunningExperiment::End(const experiment::Stop& stop) {
  base::MutexLock lock(mutex_);
  if (stop_) return;
  stop_ = stop;
  stop_->observations = statistics_.sample_ratio().units();
}

void RunningExperiment::CheckTime(absl::Time now) {
  base::MutexLock lock(mutex_);
  if (!stop_) stop_ = statistics_.CheckTime(record_.created, now);
}

std::optional<experiment::Stop> RunningExperiment::stop() const {
  base::MutexLock lock(mutex_);
  return stop_;
}

RunningExperiment::Progress RunningExperiment::ProgressNow() const {
  return {changes_, statistics_.sample_ratio().units(), stop_};
}

RunningExperiment::Progress RunningExperiment::progress() const {
  base::MutexLock lock(mutex_);
  return ProgressNow();
}

RunningExperiment::Snapshot RunningExperiment::TakeSnapshot() {
  base::MutexLock lock(mutex_);
  return {ProgressNow(), statistics_.Share()};
}

std::optional<std::string> RunningExperiment::TakeUnsaved() {
  std::unique_ptr<const experiment::Statistics> unsaved;
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(saved_changes_, changes_) == changes_) return std::nullopt;
    unsaved = statistics_.Share();
  }
  return unsaved->Save();
}

void RunningExperiment::MarkUnsaved() {
  base::MutexLock lock(mutex_);
  saved_changes_ = 0;
}

}  // namespace scanserve::server
