#include "client/scanctl/compare_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/message_json.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/table.h"
#include "client/terminal.h"

namespace scanserve::client {
namespace {

std::string GateSentence(const v1::CompareEstimate& estimate) {
  const std::string has = absl::StrFormat("%.0f", std::floor(estimate.gate_has()));
  const std::string needs = absl::StrFormat("%.0f", estimate.gate_needs());
  switch (estimate.gate()) {
    case v1::COMPARE_GATE_OBSERVATIONS:
      return absl::StrCat(has, " documents, at least ", needs, " are needed");
    case v1::COMPARE_GATE_EFFECTIVE_OBSERVATIONS:
      return absl::StrCat("documents worth ", has, " of equal length, ", needs, " are needed");
    case v1::COMPARE_GATE_SKEWNESS:
      return absl::StrCat("differences so skewed need ", needs, " documents, there are ", has);
    case v1::COMPARE_GATE_DIFFERING_OBSERVATIONS:
      return absl::StrCat("only ", has, " documents differ at all, equivalence needs ", needs);
    default:
      return "the interval holds 0 and reaches past the margin";
  }
}

std::string BeyondText(const Comparison& comparison) {
  return comparison.totals.estimate().beyond_margin()
             ? absl::StrFormat(", by more than the margin of %g", comparison.started.margin())
             : "";
}

std::string IntervalText(const v1::CompareEstimate& estimate) {
  if (!estimate.has_low()) return "";
  return absl::StrCat(" (", DifferenceText(estimate.low()), " to ", DifferenceText(estimate.high()),
                      ")");
}

std::string RatioText(const v1::CompareEstimate& estimate) {
  std::string text = absl::StrFormat("%.4f", std::exp(estimate.difference()));
  if (estimate.has_low()) {
    absl::StrAppendFormat(&text, " (%.4f to %.4f)", std::exp(estimate.low()),
                          std::exp(estimate.high()));
  }
  return text;
}

std::string MeanText(const v1::CompareEstimate& estimate) {
  const double mean = estimate.observation_mean();
  std::string text = DifferenceText(mean);
  if (estimate.has_low() && (mean < estimate.low() || mean > estimate.high())) {
    text += ": short and long documents disagree";
  }
  return text;
}

std::string ObservationsText(const v1::CompareEstimate& estimate) {
  return absl::StrFormat("%d, worth %.1f of equal length; %d differ", estimate.observations(),
                         estimate.effective_observations(), estimate.differing_observations());
}

std::string BootstrapText(const v1::CompareTotals& totals) {
  return absl::StrCat(DifferenceText(totals.bootstrap_low()), " to ",
                      DifferenceText(totals.bootstrap_high()),
                      " by BCa bootstrap; decides nothing");
}

std::string EndText(const Comparison& comparison) {
  const v1::CompareTotals& totals = comparison.totals;
  std::string text =
      absl::StrCat(WithThousands(totals.documents()), " of ", WithThousands(comparison.documents),
                   " in random order, seed ", comparison.started.seed());
  if (totals.end() == v1::COMPARE_END_VERDICT) text += "; stopped at a verdict";
  return text;
}

Fields Setting(const Comparison& comparison) {
  return {{"A", ArmText(comparison.started.a())},
          {"B", ArmText(comparison.started.b())},
          {"mode", ModeText(comparison)},
          {"documents", EndText(comparison)},
          {"time", DurationText(FromProto(comparison.totals.total_time()))}};
}

void AddClass(Table& table, const std::string& name, const v1::PairedScore& score) {
  const auto mean = [&](double nats) {
    return score.tokens() == 0
               ? "-"
               : absl::StrFormat("%.4f", nats / static_cast<double>(score.tokens()));
  };
  table.AddRow({name, WithThousands(score.tokens()), mean(score.nll_a()), mean(score.nll_b()),
                score.tokens() == 0 ? "-"
                                    : DifferenceText((score.nll_b() - score.nll_a()) /
                                                     static_cast<double>(score.tokens()))});
}

std::string Remark(const Comparison& comparison) {
  if (comparison.started.no_verdict_reason().empty()) return "";
  return "\nleaked: the target itself was read before it was predicted, under A or B;\n"
         "lookahead: later text was. Use continuation to compare what the arms predict.\n";
}

}  // namespace

std::string DifferenceText(double nats) { return absl::StrFormat("%+.5f", nats); }

std::string ArmText(const v1::InForce& in_force) {
  return absl::StrCat(ScanSettingText(in_force.scan()), ", adapter ", AdapterText(in_force));
}

std::string ModeText(const Comparison& comparison) {
  const v1::CompareSettings& settings = comparison.settings;
  std::string text = EnumText(comparison.started.mode());
  if (settings.window_tokens() > 0) absl::StrAppend(&text, ", window ", settings.window_tokens());
  if (settings.stride_tokens() > 0) absl::StrAppend(&text, ", stride ", settings.stride_tokens());
  if (settings.prefix_tokens() > 0) absl::StrAppend(&text, ", prefix ", settings.prefix_tokens());
  return text;
}

std::string VerdictSentence(const Comparison& comparison) {
  const v1::CompareEstimate& estimate = comparison.totals.estimate();
  switch (estimate.verdict()) {
    case v1::COMPARE_VERDICT_EQUIVALENT:
      if (estimate.identical())
        return "equivalent, identical: not one token was scored differently";
      return absl::StrFormat("equivalent: B differs from A by less than the margin of %g",
                             comparison.started.margin());
    case v1::COMPARE_VERDICT_BETTER:
      return absl::StrCat("better: B predicts better", BeyondText(comparison));
    case v1::COMPARE_VERDICT_WORSE:
      return absl::StrCat("worse: B predicts worse", BeyondText(comparison));
    case v1::COMPARE_VERDICT_UNDECIDED:
      return absl::StrCat("undecided: ", GateSentence(estimate));
    default:
      return "none: the mode shows arms what they are asked to predict";
  }
}

std::string EquivalentWithinText(const v1::CompareEstimate& estimate) {
  if (!estimate.has_low()) return "-";
  const double within = std::max(std::abs(estimate.low()), std::abs(estimate.high()));
  return absl::StrFormat("within +-%.5f nats/token, %.2f %% of perplexity", within,
                         100 * std::expm1(within));
}

std::string TimesText(const v1::CompareTotals& totals) {
  if (!totals.has_time_ratio_low()) return "-";
  return absl::StrFormat("B takes %.3f times as long as A (%.3f to %.3f)", totals.time_ratio(),
                         totals.time_ratio_low(), totals.time_ratio_high());
}

Fields CompareFindings(const Comparison& comparison) {
  const v1::CompareEstimate& estimate = comparison.totals.estimate();
  Fields fields = {{"verdict", VerdictSentence(comparison)}};
  if (comparison.totals.has_first_verdict() &&
      comparison.totals.first_verdict().verdict() != estimate.verdict()) {
    const v1::FirstVerdict& first = comparison.totals.first_verdict();
    fields.emplace_back("first verdict", absl::StrCat(EnumText(first.verdict()), ", after ",
                                                      first.observations(), " documents"));
  }
  if (estimate.has_observations_needed()) {
    fields.emplace_back("needed",
                        absl::StrCat("about ", WithThousands(estimate.observations_needed()),
                                     " documents in all, if this goes on"));
  }
  if (estimate.contradiction()) {
    fields.emplace_back("contradiction", "intervals exclude each other: the order was not random");
  }
  if (estimate.observations() == 0) return fields;
  fields.emplace_back(
      "difference", DifferenceText(estimate.difference()) + IntervalText(estimate) + " nats/token");
  if (comparison.totals.has_bootstrap_low()) {
    fields.emplace_back("second opinion", BootstrapText(comparison.totals));
  }
  fields.emplace_back("perplexity ratio", RatioText(estimate));
  fields.emplace_back("equivalent", EquivalentWithinText(estimate));
  fields.emplace_back("by document", MeanText(estimate));
  fields.emplace_back("observations", ObservationsText(estimate));
  fields.emplace_back("skewness", absl::StrFormat("%.2f; design effect %.1f", estimate.skewness(),
                                                  estimate.design_effect()));
  fields.emplace_back(
      "unseen",
      absl::StrFormat("what is in fewer than %.1f %% of documents",
                      std::min(100.0, 300.0 / static_cast<double>(estimate.observations()))));
  fields.emplace_back("speed", TimesText(comparison.totals));
  return fields;
}

std::string CompareReport(const Comparison& comparison, int columns, bool colour) {
  Table table({{"class"},
               {"tokens", Alignment::kRight},
               {"A nats/token", Alignment::kRight},
               {"B nats/token", Alignment::kRight},
               {"B - A", Alignment::kRight}});
  const v1::PairedClassScores& scores = comparison.totals.scores();
  AddClass(table, "leaked", scores.leaked());
  AddClass(table, "lookahead", scores.lookahead());
  AddClass(table, "causal", scores.causal());
  return absl::StrCat(LayoutFields(Setting(comparison), colour), "\n",
                      table.Layout(columns, colour), "\n",
                      LayoutFields(CompareFindings(comparison), colour), Remark(comparison));
}

bool Shows(const v1::CompareEstimate& estimate, const std::string& expected) {
  if (expected == "better") return estimate.verdict() == v1::COMPARE_VERDICT_BETTER;
  if (expected == "equivalent") return estimate.verdict() == v1::COMPARE_VERDICT_EQUIVALENT;
  return estimate.not_worse();
}

}  // namespace scanserve::client
