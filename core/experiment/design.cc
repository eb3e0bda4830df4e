#include "core/experiment/design.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::experiment {
namespace {

constexpr size_t kMaxNameBytes = 64;

// Without dots and colons, which separate them in what is hashed.
absl::Status CheckName(absl::string_view field, absl::string_view name) {
  const bool valid = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
  if (valid && !name.empty() && name.size() <= kMaxNameBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", name.size(), " bytes, expected 1 to ",
                                                 kMaxNameBytes, " of [A-Za-z0-9_-]"));
}

// NaN is in no range.
template <typename Number>
absl::Status CheckNumber(absl::string_view field, Number value, Number low, Number high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, ", expected ", low, " to ", high));
}

absl::Status CheckArm(absl::string_view field, const DesignArm& arm, bool control) {
  SCANSERVE_RETURN_IF_ERROR(CheckName(absl::StrCat(field, ".name"), arm.name));
  SCANSERVE_RETURN_IF_ERROR(CheckNumber(absl::StrCat(field, ".weight"), arm.weight,
                                        int64_t{control ? 1 : 0}, kMostWeight));
  return CheckNumber(absl::StrCat(field, ".shadow"), arm.shadow, 0, control ? 0 : kWhole);
}

absl::Status CheckArms(const Design& design) {
  SCANSERVE_RETURN_IF_ERROR(CheckNumber("arms", design.arms.size(), size_t{2}, kMostArms));
  std::set<absl::string_view> names;
  int64_t weights = 0;
  for (size_t i = 0; i < design.arms.size(); ++i) {
    const std::string field = absl::StrCat("arms[", i, "]");
    SCANSERVE_RETURN_IF_ERROR(CheckArm(field, design.arms[i], i == 0));
    if (!names.insert(design.arms[i].name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ".name: two arms are called ", design.arms[i].name));
    }
    weights += design.arms[i].weight;
  }
  return CheckNumber("the sum of weights", weights, int64_t{1}, kMostWeight);
}

absl::Status CheckGuardrails(const Design& design) {
  const bool shadow = std::any_of(design.arms.begin(), design.arms.end(),
                                  [](const DesignArm& arm) { return arm.shadow > 0; });
  std::set<Metric> metrics;
  for (size_t i = 0; i < design.guardrails.size(); ++i) {
    const Guardrail& guardrail = design.guardrails[i];
    const std::string field = absl::StrCat("guardrails[", i, "]");
    SCANSERVE_RETURN_IF_ERROR(
        CheckNumber(absl::StrCat(field, ".margin"), guardrail.margin, 0.0, 10.0));
    if (!metrics.insert(guardrail.metric).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          field, ".metric: ", MetricName(guardrail.metric), " has a guardrail already"));
    }
    if (guardrail.metric == Metric::kPerplexity && !shadow) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ".metric: perplexity needs an arm with a shadow"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckStopRules(const StopRules& stop) {
  SCANSERVE_RETURN_IF_ERROR(CheckNumber("stop.max_units", stop.max_units, int64_t{1}, kMostUnits));
  if (stop.max_time > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "stop.max_time: ", absl::FormatDuration(stop.max_time), ", expected more than 0"));
}

}  // namespace

absl::Status Validate(const Design& design) {
  SCANSERVE_RETURN_IF_ERROR(CheckName("id", design.id));
  SCANSERVE_RETURN_IF_ERROR(CheckName("salt", design.salt));
  SCANSERVE_RETURN_IF_ERROR(CheckArms(design));
  SCANSERVE_RETURN_IF_ERROR(CheckNumber("exposure", design.exposure, 1, kWhole));
  SCANSERVE_RETURN_IF_ERROR(
      CheckNumber("margin", design.margin, std::numeric_limits<double>::min(), 10.0));
  SCANSERVE_RETURN_IF_ERROR(CheckNumber("alpha", design.alpha, 0.0001, 0.5));
  SCANSERVE_RETURN_IF_ERROR(CheckGuardrails(design));
  return CheckStopRules(design.stop);
}

absl::string_view MetricName(Metric metric) {
  switch (metric) {
    case Metric::kTimeToFirstToken:
      return "time-to-first-token";
    case Metric::kInterTokenLatency:
      return "inter-token-latency";
    case Metric::kDuration:
      return "duration";
    case Metric::kErrors:
      return "errors";
    case Metric::kPerplexity:
      return "perplexity";
  }
  return "";
}

}  // namespace scanserve::experiment
