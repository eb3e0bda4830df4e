#include "client/scanctl/experiment_flags.h"

#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/scan_choice.h"
#include "client/scanctl/scan_flags.h"

namespace scanserve::client {
namespace {

constexpr char kIdentity[] = "identity";
constexpr char kNoAdapter[] = "none";
constexpr double kPerPercent = 100;

absl::Status Wrong(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", text));
}

absl::StatusOr<int32_t> ParsePercent(absl::string_view text) {
  double percent = 0;
  if (!absl::SimpleAtod(text, &percent) || !(percent >= 0 && percent <= 100)) {
    return Wrong("expected a percentage from 0 to 100", text);
  }
  return static_cast<int32_t>(std::lround(percent * kPerPercent));
}

absl::Status SetOrder(absl::string_view text, v1::ExperimentArm& arm) {
  if (text == kIdentity) {
    arm.mutable_scan()->mutable_setting()->mutable_order()->set_name(kIdentity);
    return absl::OkStatus();
  }
  SCANSERVE_ASSIGN_OR_RETURN(*arm.mutable_scan()->mutable_setting()->mutable_order(),
                             ParseScanOrderRef(text));
  return absl::OkStatus();
}

absl::Status SetAdapter(absl::string_view text, v1::ExperimentArm& arm) {
  if (text == kNoAdapter) {
    arm.mutable_adapter()->mutable_base();
    return absl::OkStatus();
  }
  SCANSERVE_ASSIGN_OR_RETURN(*arm.mutable_adapter()->mutable_ref(), ParseAdapterRef(text));
  return absl::OkStatus();
}

absl::Status SetLayers(absl::string_view text, v1::ExperimentArm& arm) {
  for (const absl::string_view part : absl::StrSplit(text, '+')) {
    int32_t layer = 0;
    if (!absl::SimpleAtoi(part, &layer) || layer < 0) return Wrong("not a layer", part);
    arm.mutable_scan()->mutable_setting()->add_target_layers(layer);
  }
  return absl::OkStatus();
}

absl::Status SetPart(absl::string_view key, absl::string_view value, v1::ExperimentArm& arm) {
  if (key == "order") return SetOrder(value, arm);
  if (key == "adapter") return SetAdapter(value, arm);
  if (key == "layers") return SetLayers(value, arm);
  if (key == "readout") {
    const auto readout = ParseEnum<v1::Readout>(value);
    if (!readout || *readout == v1::READOUT_UNSPECIFIED) return Wrong("not a readout", value);
    arm.mutable_scan()->mutable_setting()->set_readout(*readout);
    return absl::OkStatus();
  }
  if (key != "shadow") return Wrong("an arm has no such part", key);
  SCANSERVE_ASSIGN_OR_RETURN(const int32_t shadow, ParsePercent(value));
  arm.set_shadow(shadow);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::ExperimentArm> ParseArm(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  const std::pair<absl::string_view, absl::string_view> head =
      absl::StrSplit(parts.front(), absl::MaxSplits(':', 1));
  v1::ExperimentArm arm;
  arm.set_name(std::string(head.first));
  int64_t weight = 0;
  if (arm.name().empty() || !absl::SimpleAtoi(head.second, &weight) || weight < 0) {
    return Wrong("expected NAME:WEIGHT", parts.front());
  }
  arm.set_weight(weight);
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> part =
        absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    SCANSERVE_RETURN_IF_ERROR(SetPart(part.first, part.second, arm));
  }
  if (arm.scan().has_setting() && !arm.scan().setting().has_order()) {
    return Wrong("layers and readout need an order", text);
  }
  return arm;
}

absl::StatusOr<v1::Guardrail> ParseGuardrail(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  const auto metric = ParseEnum<v1::ExperimentMetric>(parts.first);
  double margin = 0;
  if (!metric || *metric == v1::EXPERIMENT_METRIC_UNSPECIFIED ||
      !absl::SimpleAtod(parts.second, &margin)) {
    return Wrong("expected METRIC=MARGIN", text);
  }
  v1::Guardrail guardrail;
  guardrail.set_metric(*metric);
  guardrail.set_margin(margin);
  return guardrail;
}

void AddExperimentFlags(CLI::App& app, ExperimentFlags& flags) {
  app.add_option("id", flags.id, "Name of the experiment")->type_name("ID")->required();
  app.add_option("--arm", flags.arms, "Twice or more, the control first: see below")
      ->type_name("ARM")
      ->check(ParsesWith(&ParseArm))
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->required();
  app.add_option("--exposure", flags.exposure, "Percentage of units that take part")
      ->type_name("X")
      ->check(CLI::Range(0.01, 100.0).description(""))
      ->capture_default_str();
  app.add_option("--salt", flags.salt, "Of the hash that assigns; random")->type_name("SALT");
  app.add_option("--margin", flags.margin, "What matters, nats per token")
      ->type_name("X")
      ->capture_default_str();
  app.add_option("--alpha", flags.alpha, "Chance of any false claim")
      ->type_name("X")
      ->capture_default_str();
  app.add_option("--guardrail", flags.guardrails, "Stop an arm worse by more")
      ->type_name("METRIC=X")
      ->check(ParsesWith(&ParseGuardrail))
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--stop-on", flags.stop_on, "verdict, equivalence, sample-ratio")
      ->type_name("RULE,..")
      ->delimiter(',')
      ->check(CLI::IsMember({"verdict", "equivalence", "sample-ratio"}).description(""));
  app.add_option("--max-units", flags.max_units, "Stop after so many")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--max-time", flags.max_time, "Stop after so long")
      ->type_name("TIME")
      ->check(ParsesWith(&ParseTimeout));
}

v1::ExperimentDesign DesignOf(const ExperimentFlags& flags) {
  v1::ExperimentDesign design;
  design.set_id(flags.id);
  for (const std::string& arm : flags.arms) *design.add_arms() = *ParseArm(arm);
  design.set_exposure(static_cast<int32_t>(std::lround(flags.exposure * kPerPercent)));
  design.set_salt(flags.salt);
  design.set_margin(flags.margin);
  design.set_alpha(flags.alpha);
  for (const std::string& guardrail : flags.guardrails) {
    *design.add_guardrails() = *ParseGuardrail(guardrail);
  }
  v1::StopRules& stop = *design.mutable_stop();
  for (const std::string& rule : flags.stop_on) {
    if (rule == "verdict") stop.set_verdict(true);
    if (rule == "equivalence") stop.set_equivalence(true);
    if (rule == "sample-ratio") stop.set_sample_ratio(true);
  }
  stop.set_max_units(flags.max_units);
  if (!flags.max_time.empty()) {
    const absl::Duration time = *ParseTimeout(flags.max_time);
    stop.mutable_max_time()->set_seconds(absl::ToInt64Seconds(time));
    stop.mutable_max_time()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(time % absl::Seconds(1))));
  }
  return design;
}

}  // namespace scanserve::client
