// What the store says of an experiment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/experiment/design.h"
#include "core/experiment/stop.h"
#include "core/store/active_setting.h"

namespace scanserve::store {

// What an arm serves: versions, pinned when the experiment was created.
struct ExperimentArm {
  ScanSetting scan;
  // An empty name is the base model.
  std::string adapter_name;
  int64_t adapter_version = 0;
  std::string adapter_digest;

  friend bool operator==(const ExperimentArm&, const ExperimentArm&) = default;
};

struct ExperimentRecord {
  experiment::Design design;
  // One for each arm of the design.
  std::vector<ExperimentArm> arms;
  // The rule that assigns units: another one would move them.
  std::string assignment;
  absl::Time created = absl::UnixEpoch();
  // None while it runs.
  std::optional<experiment::Stop> stop;

  bool running() const { return !stop.has_value(); }
};

}  // namespace scanserve::store
