// What an experiment is, apart from what its arms serve: fixed when it is created.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace scanserve::experiment {

// Shares are counted out of this many.
inline constexpr int32_t kWhole = 10'000;

enum class Metric {
  kTimeToFirstToken,
  kInterTokenLatency,
  kDuration,
  kErrors,
  kPerplexity,  // paired, of the prompts that clients sent
};
// Those that each arm has by itself. Latencies come first.
inline constexpr std::array kUnitMetrics = {Metric::kTimeToFirstToken, Metric::kInterTokenLatency,
                                            Metric::kDuration, Metric::kErrors};
inline constexpr size_t kLatencies = 3;

// Stops the experiment when an arm is worse than the control by more than the margin: for latencies
// in logarithms of the ratio, for errors in shares of the requests, for perplexity in nats per
// token.
struct Guardrail {
  Metric metric = Metric::kErrors;
  double margin = 0;

  friend bool operator==(const Guardrail&, const Guardrail&) = default;
};

struct StopRules {
  // Paired scores show an arm to be better or worse.
  bool verdict = false;
  // They show each arm that has them to be equivalent to the control.
  bool equivalence = false;
  // Also bounds the memory: about 150 bytes a unit.
  int64_t max_units = 100'000;
  absl::Duration max_time = absl::InfiniteDuration();
  // The sample ratio is invalid.
  bool sample_ratio = false;

  friend bool operator==(const StopRules&, const StopRules&) = default;
};

struct DesignArm {
  std::string name;
  // Its share of the units is its weight out of the sum of all.
  int64_t weight = 0;
  // Requests whose prompt is scored too, under the control and under this arm; of kWhole.
  int32_t shadow = 0;

  friend bool operator==(const DesignArm&, const DesignArm&) = default;
};

struct Design {
  std::string id;
  std::string salt;
  // The first is the control.
  std::vector<DesignArm> arms;
  // Units that take part; of kWhole.
  int32_t exposure = kWhole;
  // As in compare::ComparisonOptions.
  double margin = 0.005;
  double alpha = 0.05;
  std::vector<Guardrail> guardrails;
  StopRules stop;

  int32_t challengers() const { return static_cast<int32_t>(arms.size()) - 1; }
  // Of each pair of an arm and the control.
  double alpha_of_arm() const { return alpha / challengers(); }

  friend bool operator==(const Design&, const Design&) = default;
};

inline constexpr size_t kMostArms = 10;
inline constexpr int64_t kMostUnits = 1'000'000;
inline constexpr int64_t kMostWeight = (int64_t{1} << 31) - 1;

// INVALID_ARGUMENT naming the first field that is out of its range, its value and the limit.
absl::Status Validate(const Design& design);

// "time-to-first-token", ..
absl::string_view MetricName(Metric metric);

}  // namespace scanserve::experiment
