#include "core/store/experiment_json.h"

#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/order/json_field.h"
#include "core/store/sealed_json.h"
#include "core/store/setting_json.h"
#include "nlohmann/json.hpp"

namespace scanserve::store {
namespace {

using experiment::Metric;
using experiment::StopReason;
using order::JsonFieldError;
using order::ReadJsonField;

constexpr std::array kMetrics = {Metric::kTimeToFirstToken, Metric::kInterTokenLatency,
                                 Metric::kDuration, Metric::kErrors, Metric::kPerplexity};
// In the order of the enum.
constexpr std::array<absl::string_view, 8> kReasons = {"request",      "verdict",  "equivalence",
                                                       "max-units",    "max-time", "guardrail",
                                                       "sample-ratio", "arm-lost"};

std::string MetricText(Metric metric) { return std::string(experiment::MetricName(metric)); }

absl::Status ReadMetric(const nlohmann::json& json, Metric& metric) {
  std::string text;
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "metric", text));
  for (const Metric known : kMetrics) {
    if (experiment::MetricName(known) == text) {
      metric = known;
      return absl::OkStatus();
    }
  }
  return JsonFieldError("metric", "a metric");
}

absl::Status ReadFlag(const nlohmann::json& json, const char* name, bool& value) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_boolean()) return JsonFieldError(name, "true or false");
  value = found->get<bool>();
  return absl::OkStatus();
}

// ---- Writing.

nlohmann::json ArmToJson(const experiment::DesignArm& design, const ExperimentArm& arm) {
  return {{"name", design.name},
          {"weight", design.weight},
          {"shadow", design.shadow},
          {"scan", SettingToJson(arm.scan)},
          {"adapter_name", arm.adapter_name},
          {"adapter_version", arm.adapter_version},
          {"adapter_digest", arm.adapter_digest}};
}

nlohmann::json RulesToJson(const experiment::StopRules& rules) {
  nlohmann::json json = {{"verdict", rules.verdict},
                         {"equivalence", rules.equivalence},
                         {"max_units", rules.max_units},
                         {"sample_ratio", rules.sample_ratio}};
  if (rules.max_time != absl::InfiniteDuration()) {
    json["max_time_ns"] = absl::ToInt64Nanoseconds(rules.max_time);
  }
  return json;
}

nlohmann::json StopToJson(const experiment::Stop& stop) {
  nlohmann::json json = {{"reason", std::string(kReasons[static_cast<size_t>(stop.reason)])},
                         {"time", order::JsonTime(stop.time)},
                         {"observations", stop.observations},
                         {"arm", stop.arm}};
  if (stop.metric) json["metric"] = MetricText(*stop.metric);
  // An end that is not bounded has no number in JSON.
  if (stop.interval && std::isfinite(stop.interval->low)) json["low"] = stop.interval->low;
  if (stop.interval && std::isfinite(stop.interval->high)) json["high"] = stop.interval->high;
  return json;
}

// ---- Reading.

absl::Status ReadArms(const nlohmann::json& json, ExperimentRecord& record) {
  const auto found = json.find("arms");
  if (found == json.end() || !found->is_array()) return JsonFieldError("arms", "a list");
  for (const nlohmann::json& entry : *found) {
    experiment::DesignArm& design = record.design.arms.emplace_back();
    ExperimentArm& arm = record.arms.emplace_back();
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "name", design.name));
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "weight", design.weight));
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "shadow", design.shadow));
    const auto scan = entry.find("scan");
    if (scan == entry.end()) return JsonFieldError("scan", "a setting");
    SCANSERVE_ASSIGN_OR_RETURN(arm.scan, SettingFromJson(*scan));
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "adapter_name", arm.adapter_name));
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "adapter_version", arm.adapter_version));
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "adapter_digest", arm.adapter_digest));
  }
  return absl::OkStatus();
}

absl::Status ReadGuardrails(const nlohmann::json& json, experiment::Design& design) {
  const auto found = json.find("guardrails");
  if (found == json.end() || !found->is_array()) return JsonFieldError("guardrails", "a list");
  for (const nlohmann::json& entry : *found) {
    experiment::Guardrail& guardrail = design.guardrails.emplace_back();
    SCANSERVE_RETURN_IF_ERROR(ReadMetric(entry, guardrail.metric));
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(entry, "margin", guardrail.margin));
  }
  return absl::OkStatus();
}

absl::Status ReadRules(const nlohmann::json& json, experiment::StopRules& rules) {
  SCANSERVE_RETURN_IF_ERROR(ReadFlag(json, "verdict", rules.verdict));
  SCANSERVE_RETURN_IF_ERROR(ReadFlag(json, "equivalence", rules.equivalence));
  SCANSERVE_RETURN_IF_ERROR(ReadFlag(json, "sample_ratio", rules.sample_ratio));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "max_units", rules.max_units));
  if (json.find("max_time_ns") == json.end()) return absl::OkStatus();
  int64_t nanoseconds = 0;
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "max_time_ns", nanoseconds));
  rules.max_time = absl::Nanoseconds(nanoseconds);
  return absl::OkStatus();
}

absl::Status ReadReason(const nlohmann::json& json, StopReason& reason) {
  std::string text;
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "reason", text));
  for (size_t i = 0; i < kReasons.size(); ++i) {
    if (kReasons[i] == text) {
      reason = static_cast<StopReason>(i);
      return absl::OkStatus();
    }
  }
  return JsonFieldError("reason", "a reason");
}

absl::StatusOr<experiment::Stop> ReadStop(const nlohmann::json& json) {
  experiment::Stop stop;
  SCANSERVE_RETURN_IF_ERROR(ReadReason(json, stop.reason));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "time", stop.time));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "observations", stop.observations));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "arm", stop.arm));
  if (json.find("metric") == json.end()) return stop;
  SCANSERVE_RETURN_IF_ERROR(ReadMetric(json, stop.metric.emplace()));
  stop.interval.emplace();
  if (json.find("low") != json.end()) {
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "low", stop.interval->low));
  }
  if (json.find("high") != json.end()) {
    SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "high", stop.interval->high));
  }
  return stop;
}

absl::Status ReadDesign(const nlohmann::json& json, experiment::Design& design) {
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "id", design.id));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "salt", design.salt));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "exposure", design.exposure));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "margin", design.margin));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "alpha", design.alpha));
  SCANSERVE_RETURN_IF_ERROR(ReadGuardrails(json, design));
  const auto rules = json.find("stop_rules");
  if (rules == json.end()) return JsonFieldError("stop_rules", "an object");
  return ReadRules(*rules, design.stop);
}

}  // namespace

std::string ExperimentToText(const ExperimentRecord& record) {
  const experiment::Design& design = record.design;
  nlohmann::json arms = nlohmann::json::array();
  for (size_t i = 0; i < record.arms.size(); ++i) {
    arms.push_back(ArmToJson(design.arms[i], record.arms[i]));
  }
  nlohmann::json guardrails = nlohmann::json::array();
  for (const experiment::Guardrail& guardrail : design.guardrails) {
    guardrails.push_back({{"metric", MetricText(guardrail.metric)}, {"margin", guardrail.margin}});
  }
  nlohmann::json json = {{"id", design.id},
                         {"salt", design.salt},
                         {"assignment", record.assignment},
                         {"arms", std::move(arms)},
                         {"exposure", design.exposure},
                         {"margin", design.margin},
                         {"alpha", design.alpha},
                         {"guardrails", std::move(guardrails)},
                         {"stop_rules", RulesToJson(design.stop)},
                         {"created", order::JsonTime(record.created)}};
  if (record.stop) json["stop"] = StopToJson(*record.stop);
  return SealedText(std::move(json));
}

absl::StatusOr<ExperimentRecord> ExperimentFromText(absl::string_view text) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json, ParseSealed(text));
  ExperimentRecord record;
  SCANSERVE_RETURN_IF_ERROR(ReadDesign(json, record.design));
  SCANSERVE_RETURN_IF_ERROR(ReadArms(json, record));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "assignment", record.assignment));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "created", record.created));
  SCANSERVE_RETURN_IF_ERROR(experiment::Validate(record.design));
  if (json.find("stop") == json.end()) return record;
  SCANSERVE_ASSIGN_OR_RETURN(record.stop, ReadStop(json["stop"]));
  return record;
}

}  // namespace scanserve::store
