#include "client/scanctl/experiment_report.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/message_json.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/table.h"

namespace scanserve::client {
namespace {

std::string Percent(double share) { return absl::StrFormat("%.4g %%", 100 * share); }

std::string SignedPercent(double share) { return absl::StrFormat("%+.2f %%", 100 * share); }

std::string ArmSetting(const v1::ExperimentArm& arm) {
  std::string text = ScanSettingText(arm.scan().setting());
  if (arm.adapter().has_ref()) {
    absl::StrAppend(&text, ", adapter ", arm.adapter().ref().name(), "@",
                    arm.adapter().ref().version());
  }
  return text;
}

// Latencies are logarithms of ratios, errors are shares: both read well in percent.
std::string DifferenceText(v1::ExperimentMetric metric, double difference) {
  const bool errors = metric == v1::EXPERIMENT_METRIC_ERRORS;
  return SignedPercent(errors ? difference : std::expm1(difference));
}

std::string MeanText(const v1::MetricEstimate& estimate) {
  if (estimate.units() == 0) return "-";
  if (estimate.metric() == v1::EXPERIMENT_METRIC_ERRORS) return Percent(estimate.mean());
  return DurationText(absl::Seconds(estimate.mean()));
}

std::string IntervalText(const v1::MetricEstimate& estimate) {
  if (!estimate.has_low()) return "too few units";
  return absl::StrCat(DifferenceText(estimate.metric(), estimate.low()), " to ",
                      DifferenceText(estimate.metric(), estimate.high()));
}

std::string ArmTable(const v1::GetExperimentResponse& response, int width, bool colour) {
  Table table({{"arm"},
               {"weight", Alignment::kRight},
               {"units", Alignment::kRight},
               {"requests", Alignment::kRight},
               {"errors", Alignment::kRight},
               {"cancelled", Alignment::kRight},
               {"tokens", Alignment::kRight}});
  for (int i = 0; i < response.results().arms_size(); ++i) {
    const v1::ArmResults& arm = response.results().arms(i);
    const int64_t weight = response.experiment().design().arms(i).weight();
    table.AddRow({arm.name(), absl::StrCat(weight), WithThousands(arm.units()),
                  WithThousands(arm.requests()), WithThousands(arm.errors()),
                  WithThousands(arm.cancelled()), WithThousands(arm.generated_tokens())});
  }
  return table.Layout(width, colour);
}

std::string MetricTable(const v1::ExperimentResults& results, int width, bool colour) {
  Table table({{"metric"},
               {"arm"},
               {"mean", Alignment::kRight},
               {"control", Alignment::kRight},
               {"worse by", Alignment::kRight},
               {"interval"}});
  const v1::ArmResults& control = results.arms(0);
  for (int m = 0; m < control.metrics_size(); ++m) {
    for (int i = 1; i < results.arms_size(); ++i) {
      const v1::MetricEstimate& estimate = results.arms(i).metrics(m);
      table.AddRow({EnumText(estimate.metric()), results.arms(i).name(), MeanText(estimate),
                    MeanText(control.metrics(m)),
                    estimate.has_difference()
                        ? DifferenceText(estimate.metric(), estimate.difference())
                        : "-",
                    IntervalText(estimate)});
    }
  }
  return table.Layout(width, colour);
}

std::string VerdictText(const v1::ShadowResults& shadow) {
  if (!shadow.no_verdict_reason().empty())
    return absl::StrCat("none: ", shadow.no_verdict_reason());
  const v1::CompareEstimate& estimate = shadow.estimate();
  std::string text = EnumText(estimate.verdict());
  if (estimate.identical()) absl::StrAppend(&text, ": no token was scored differently");
  if (estimate.gate() != v1::COMPARE_GATE_UNSPECIFIED) {
    absl::StrAppendFormat(&text, ": %s %.4g of %.4g", EnumText(estimate.gate()),
                          estimate.gate_has(), estimate.gate_needs());
  }
  if (estimate.contradiction()) absl::StrAppend(&text, ", contradicting itself");
  return text;
}

std::string ShadowFields(const v1::ArmResults& arm, bool colour) {
  const v1::ShadowResults& shadow = arm.shadow();
  const v1::CompareEstimate& estimate = shadow.estimate();
  Fields fields = {
      {absl::StrCat("prompts scored, ", arm.name()),
       absl::StrCat(WithThousands(shadow.scored()), " of ", WithThousands(shadow.sampled()),
                    " chosen out of ", WithThousands(shadow.eligible()))},
      {"dropped",
       absl::StrCat(shadow.dropped_queue_full(), " queue full, ", shadow.dropped_unscorable(),
                    " unscorable, ", shadow.dropped_failed(), " failed")}};
  std::string difference = absl::StrFormat("%+.5f", estimate.difference());
  if (estimate.has_low()) {
    absl::StrAppendFormat(&difference, " (%+.5f to %+.5f)", estimate.low(), estimate.high());
  }
  fields.emplace_back("difference", absl::StrCat(difference, " nats/token, ",
                                                 WithThousands(estimate.observations()), " units"));
  fields.emplace_back("verdict", VerdictText(shadow));
  if (shadow.has_first_verdict()) {
    fields.emplace_back(
        "first verdict",
        absl::StrCat(EnumText(shadow.first_verdict().verdict()), " at ",
                     WithThousands(shadow.first_verdict().observations()), " units"));
  }
  return LayoutFields(fields, colour);
}

void AddDrift(const std::string& writer, const std::string& other, const v1::Drift& drift,
              Table& table) {
  if (drift.answers() == 0) return;
  const bool scored = drift.scored() > 0;
  table.AddRow({writer, other,
                absl::StrCat(WithThousands(drift.scored()), " of ", WithThousands(drift.answers())),
                scored ? absl::StrFormat("%+.5f", drift.nats_per_token()) : "-",
                drift.has_low() ? absl::StrFormat("%+.5f to %+.5f", drift.low(), drift.high())
                                : "too few units",
                scored ? Percent(drift.other_choices()) : "-"});
}

// With a word of what it means, since there is no verdict on it.
std::string DriftText(const v1::ExperimentResults& results, int width, bool colour) {
  Table table({{"answers of"},
               {"under"},
               {"scored", Alignment::kRight},
               {"drift", Alignment::kRight},
               {"interval"},
               {"differ", Alignment::kRight}});
  const std::string& control = results.arms(0).name();
  bool any = false;
  for (const v1::ArmResults& arm : results.arms()) {
    const v1::ShadowResults& shadow = arm.shadow();
    AddDrift(control, arm.name(), shadow.drift_of_control(), table);
    AddDrift(arm.name(), control, shadow.drift_of_arm(), table);
    any |= shadow.drift_of_control().answers() + shadow.drift_of_arm().answers() > 0;
  }
  if (!any) return "";
  return absl::StrCat("\n", table.Layout(width, colour),
                      "drift: what answers cost the other arm\n"
                      "more than their writer, in nats/token\n"
                      "differ: where the likeliest token is not\n"
                      "the same. Each arm likes its own text\n"
                      "best: a distance, not a verdict.\n");
}

Fields Summary(const v1::GetExperimentResponse& response) {
  const v1::Experiment& experiment = response.experiment();
  const v1::SampleRatio& ratio = response.results().sample_ratio();
  Fields fields = {{"experiment", experiment.design().id()},
                   {"state", ExperimentStateText(experiment)},
                   {"created", TimeText(experiment.created())}};
  if (experiment.has_stop()) fields.emplace_back("ended", TimeText(experiment.stop().time()));
  for (const v1::ExperimentArm& arm : experiment.design().arms()) {
    fields.emplace_back(absl::StrCat("arm ", arm.name()), ArmSetting(arm));
  }
  fields.emplace_back("exposure", Percent(experiment.design().exposure() / 1e4));
  fields.emplace_back("sample ratio",
                      absl::StrFormat("%s, p %.3g, chi-squared %.4g (%d)", EnumText(ratio.state()),
                                      ratio.p(), ratio.chi_squared(), ratio.degrees_of_freedom()));
  if (response.results().excluded_units() > 0) {
    fields.emplace_back(
        "excluded", absl::StrCat(response.results().excluded_units(), " units, seen in two arms"));
  }
  return fields;
}

}  // namespace

std::string ExperimentStateText(const v1::Experiment& experiment) {
  if (!experiment.has_stop()) return "running";
  const v1::ExperimentStop& stop = experiment.stop();
  std::string text = absl::StrCat("ended: ", EnumText(stop.reason()));
  if (!stop.arm().empty()) {
    absl::StrAppend(&text, ", ", stop.arm(), ", ", EnumText(stop.metric()));
  }
  return absl::StrCat(text, ", at ", WithThousands(stop.observations()), " units");
}

std::string ExperimentReport(const v1::GetExperimentResponse& response, int width, bool colour) {
  std::string text = LayoutFields(Summary(response), colour);
  if (response.results().arms().empty()) return text;
  absl::StrAppend(&text, "\n", ArmTable(response, width, colour), "\n",
                  MetricTable(response.results(), width, colour));
  for (const v1::ArmResults& arm : response.results().arms()) {
    if (arm.has_shadow()) absl::StrAppend(&text, "\n", ShadowFields(arm, colour));
  }
  return absl::StrCat(text, DriftText(response.results(), width, colour));
}

}  // namespace scanserve::client
