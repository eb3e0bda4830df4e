// Why and when an experiment ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "core/compare/confidence.h"
#include "core/experiment/design.h"

namespace scanserve::experiment {

enum class StopReason {
  kRequest,
  kVerdict,
  kEquivalence,
  kMaxUnits,
  kMaxTime,
  kGuardrail,
  kSampleRatio,
  kArmLost,  // the server was started without what it serves
};

struct Stop {
  StopReason reason = StopReason::kRequest;
  absl::Time time = absl::UnixEpoch();
  // Units, or of the paired comparison those that it has.
  int64_t observations = 0;
  // kVerdict and kGuardrail: the arm, what was compared, and the interval that decided.
  std::string arm;
  std::optional<Metric> metric;
  std::optional<compare::Interval> interval;
};

}  // namespace scanserve::experiment
