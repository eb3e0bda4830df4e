// The experiments of a directory store: those on disk, known in memory.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"
#include "core/store/experiment_folder.h"
#include "core/store/experiment_record.h"
#include "core/store/order_record.h"

namespace scanserve::store {

// Thread-safe. Changes wait for each other, for the store's other changes, and for the disk; reads
// of what is in memory never wait for a change's disk work. A change that the disk refuses is
// UNAVAILABLE and leaves everything as it was.
class ExperimentCollection {
 public:
  // `changes` serialises the store's changes and outlives the collection.
  ExperimentCollection(std::string folder, base::Mutex& changes)
      : folder_(std::move(folder)), changes_(changes) {}

  // Once, before all else. Errors and `warnings` of ExperimentFolder::ReadAll.
  absl::Status Open(std::vector<std::string>& warnings);

  // Keeps a new experiment of a model, and what it begins to count from. ALREADY_EXISTS for an id
  // that the model has had; FAILED_PRECONDITION while another one of it runs; INVALID_ARGUMENT past
  // 1,000 of them.
  absl::Status Create(absl::string_view model_digest, const ExperimentRecord& record,
                      absl::string_view statistics);
  // Keeps why it ended. NOT_FOUND; one that has ended stays as it is.
  absl::Status Stop(absl::string_view model_digest, absl::string_view id,
                    const experiment::Stop& stop);

  // NOT_FOUND.
  absl::StatusOr<ExperimentRecord> Find(absl::string_view model_digest, absl::string_view id) const;
  // Newest first.
  std::vector<ExperimentRecord> List(absl::string_view model_digest) const;
  // The id of a running experiment of any model that serves the order, if there is one.
  std::optional<std::string> RunningWith(const OrderRecord& order) const;

  // What a running experiment has counted so far: durable when it returns.
  absl::Status SaveStatistics(absl::string_view model_digest, absl::string_view id,
                              absl::string_view statistics) const;
  // NOT_FOUND when the file is gone.
  absl::StatusOr<std::string> ReadStatistics(absl::string_view model_digest,
                                             absl::string_view id) const;
  // For the operator, of their file.
  std::string StatisticsPath(absl::string_view model_digest, absl::string_view id) const {
    return folder_.StatisticsPath(model_digest, id);
  }

 private:
  using Records = std::map<std::string, ExperimentRecord, std::less<>>;

  absl::Status CheckRoomFor(absl::string_view model_digest, const ExperimentRecord& record) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(absl::string_view model_digest, const ExperimentRecord& record)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const ExperimentFolder folder_;
  base::Mutex& changes_;
  // Guards what is in memory; never held while the disk works, but for Open.
  mutable base::Mutex mutex_;
  std::map<std::string, Records, std::less<>> models_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::store
