// The files that keep each model's active setting and its history.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/store/active_setting.h"

namespace scanserve::store {

// Settings of each model digest, oldest first, the active one last.
using ActiveHistories = std::map<std::string, std::vector<ActiveSetting>, std::less<>>;

// Holds no state but the path; the caller serialises writes of the same model.
class ActiveFolder {
 public:
  explicit ActiveFolder(std::string folder) : folder_(std::move(folder)) {}

  // Reads every model's file, making the folder when there is none, and removes what interrupted
  // writes left. FAILED_PRECONDITION naming
  // the file that is damaged: serving another setting than the one set would be worse than none.
  absl::StatusOr<ActiveHistories> ReadAll(std::vector<std::string>& warnings) const;

  absl::Status Write(absl::string_view model_digest,
                     const std::vector<ActiveSetting>& history) const;

 private:
  const std::string folder_;
};

}  // namespace scanserve::store
