// The files of experiments: experiments/<model digest>/<id>.json, the record, and <id>.stats, what
// the experiment has counted, which the store does not look into.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/store/experiment_record.h"

namespace scanserve::store {

// Holds no state but the path; the caller serialises writes of the same experiment.
class ExperimentFolder {
 public:
  explicit ExperimentFolder(std::string folder) : folder_(std::move(folder)) {}

  struct Stored {
    std::string model_digest;
    ExperimentRecord record;
  };
  // Reads every record, making the folder when there is none, and removes what interrupted writes
  // left. Strange files go into `warnings`. FAILED_PRECONDITION naming a record that is damaged: it
  // may be of an experiment that runs.
  absl::StatusOr<std::vector<Stored>> ReadAll(std::vector<std::string>& warnings) const;

  // Of the file of an experiment's statistics.
  std::string StatisticsPath(absl::string_view model_digest, absl::string_view id) const;

  // UNAVAILABLE when the disk refuses.
  absl::Status WriteRecord(absl::string_view model_digest, const ExperimentRecord& record) const;
  absl::Status WriteStatistics(absl::string_view model_digest, absl::string_view id,
                               absl::string_view statistics) const;
  // NOT_FOUND when none were written.
  absl::StatusOr<std::string> ReadStatistics(absl::string_view model_digest,
                                             absl::string_view id) const;

 private:
  absl::Status ReadModel(const std::string& model_digest, std::vector<Stored>& stored,
                         std::vector<std::string>& warnings) const;

  const std::string folder_;
};

}  // namespace scanserve::store
