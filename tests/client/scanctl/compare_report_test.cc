#include "client/scanctl/compare_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

// Sixty documents, of which B is worse by 0.01 to 0.02.
Comparison Worse() {
  Comparison comparison;
  comparison.documents = 62;
  comparison.settings.set_prefix_tokens(256);
  v1::CompareStarted& started = comparison.started;
  started.mutable_b()->mutable_scan()->mutable_order()->set_name("wiki");
  started.mutable_b()->mutable_scan()->mutable_order()->set_version(1);
  started.mutable_b()->mutable_adapter()->set_name("kjv");
  started.set_mode(v1::PERPLEXITY_MODE_CONTINUATION);
  started.set_margin(.005);
  started.set_seed(7);
  v1::CompareTotals& totals = comparison.totals;
  totals.set_documents(60);
  totals.set_time_ratio(1.02);
  totals.set_time_ratio_low(.99);
  totals.set_time_ratio_high(1.05);
  v1::PairedScore& causal = *totals.mutable_scores()->mutable_causal();
  causal.set_tokens(1'000'000);
  causal.set_nll_a(4'000'000);
  causal.set_nll_b(4'015'000);
  v1::CompareEstimate& estimate = *totals.mutable_estimate();
  estimate.set_observations(60);
  estimate.set_differing_observations(60);
  estimate.set_effective_observations(41.5);
  estimate.set_difference(.015);
  estimate.set_low(.01);
  estimate.set_high(.02);
  estimate.set_observation_mean(.016);
  estimate.set_verdict(v1::COMPARE_VERDICT_WORSE);
  return comparison;
}

std::string Report(const Comparison& comparison) { return CompareReport(comparison, 80, false); }

TEST(CompareReportTest, ShowsTheArmsTheFiguresAndTheVerdict) {
  const std::string report = Report(Worse());
  EXPECT_THAT(report, HasSubstr("A          identity, adapter none\n"));
  EXPECT_THAT(report, HasSubstr("B          wiki@1, adapter kjv\n"));
  EXPECT_THAT(report, HasSubstr("mode       continuation, prefix 256\n"));
  EXPECT_THAT(report, HasSubstr("documents  60 of 62 in random order, seed 7\n"));
  EXPECT_THAT(report, HasSubstr("verdict           worse: B predicts worse\n"));
  EXPECT_THAT(report, HasSubstr("+0.01500 (+0.01000 to +0.02000) nats/token\n"));
  // exp of .015, .01 and .02.
  EXPECT_THAT(report, HasSubstr("perplexity ratio  1.0151 (1.0101 to 1.0202)\n"));
  EXPECT_THAT(report, HasSubstr("within +-0.02000 nats/token, 2.02 % of perplexity\n"));
  EXPECT_THAT(report, HasSubstr("60, worth 41.5 of equal length; 60 differ\n"));
  EXPECT_THAT(report, HasSubstr("what is in fewer than 5.0 % of documents\n"));
  EXPECT_THAT(report, HasSubstr("B takes 1.020 times as long as A (0.990 to 1.050)\n"));
  EXPECT_THAT(report, HasSubstr("causal     1,000,000        4.0000        4.0150  +0.01500\n"));
  EXPECT_THAT(report, Not(HasSubstr("disagree")));
  EXPECT_THAT(report, Not(HasSubstr("first verdict")));
  EXPECT_THAT(report, Not(HasSubstr("second opinion")));
}

TEST(CompareReportTest, ShowsTheSecondOpinionAsOne) {
  Comparison comparison = Worse();
  comparison.totals.set_bootstrap_low(-.001);
  comparison.totals.set_bootstrap_high(.02);
  EXPECT_THAT(Report(comparison), HasSubstr("second opinion    -0.00100 to +0.02000 by BCa "
                                            "bootstrap; decides nothing\n"));
  EXPECT_THAT(VerdictSentence(comparison), HasSubstr("worse"));
}

TEST(CompareReportTest, FitsIntoEightyColumns) {
  Comparison comparison = Worse();
  comparison.totals.mutable_estimate()->set_beyond_margin(true);
  comparison.totals.mutable_estimate()->set_contradiction(true);
  comparison.totals.set_end(v1::COMPARE_END_VERDICT);
  comparison.totals.mutable_first_verdict()->set_verdict(v1::COMPARE_VERDICT_BETTER);
  comparison.totals.set_bootstrap_low(.01);
  comparison.started.set_no_verdict_reason("x");
  std::istringstream report(Report(comparison));
  for (std::string line; std::getline(report, line);) EXPECT_LE(line.size(), 80) << line;
}

TEST(CompareReportTest, SaysWhenShortAndLongDocumentsDisagree) {
  Comparison comparison = Worse();
  comparison.totals.mutable_estimate()->set_observation_mean(-.001);
  EXPECT_THAT(Report(comparison), HasSubstr("-0.00100: short and long documents disagree\n"));
}

TEST(CompareReportTest, KeepsAFirstVerdictThatDidNotStayAndAContradiction) {
  Comparison comparison = Worse();
  comparison.totals.mutable_first_verdict()->set_verdict(v1::COMPARE_VERDICT_BETTER);
  comparison.totals.mutable_first_verdict()->set_observations(51);
  comparison.totals.mutable_estimate()->set_contradiction(true);
  EXPECT_THAT(Report(comparison), HasSubstr("first verdict     better, after 51 documents\n"));
  EXPECT_THAT(Report(comparison), HasSubstr("contradiction     intervals exclude each other"));
}

TEST(CompareReportTest, HasASentenceForEachVerdictAndGate) {
  Comparison comparison = Worse();
  v1::CompareEstimate& estimate = *comparison.totals.mutable_estimate();
  estimate.set_beyond_margin(true);
  EXPECT_EQ(VerdictSentence(comparison),
            "worse: B predicts worse, by more than the margin of 0.005");
  estimate.set_verdict(v1::COMPARE_VERDICT_BETTER);
  EXPECT_EQ(VerdictSentence(comparison),
            "better: B predicts better, by more than the margin of 0.005");
  estimate.set_verdict(v1::COMPARE_VERDICT_EQUIVALENT);
  EXPECT_THAT(VerdictSentence(comparison), HasSubstr("less than the margin of 0.005"));
  estimate.set_identical(true);
  EXPECT_THAT(VerdictSentence(comparison), HasSubstr("not one token was scored differently"));
  estimate.set_verdict(v1::COMPARE_VERDICT_UNSPECIFIED);
  EXPECT_THAT(VerdictSentence(comparison), HasSubstr("none: "));
  estimate.set_verdict(v1::COMPARE_VERDICT_UNDECIDED);
  EXPECT_THAT(VerdictSentence(comparison), HasSubstr("the interval holds 0"));
  estimate.set_gate_has(29.9);
  estimate.set_gate_needs(50);
  estimate.set_gate(v1::COMPARE_GATE_OBSERVATIONS);
  EXPECT_EQ(VerdictSentence(comparison), "undecided: 29 documents, at least 50 are needed");
  for (const auto gate : {v1::COMPARE_GATE_EFFECTIVE_OBSERVATIONS, v1::COMPARE_GATE_SKEWNESS,
                          v1::COMPARE_GATE_DIFFERING_OBSERVATIONS}) {
    estimate.set_gate(gate);
    EXPECT_THAT(VerdictSentence(comparison), HasSubstr("29"));
    EXPECT_THAT(VerdictSentence(comparison), HasSubstr("50"));
  }
}

TEST(CompareReportTest, SaysHowManyDocumentsWouldDecide) {
  Comparison comparison = Worse();
  comparison.totals.mutable_estimate()->set_verdict(v1::COMPARE_VERDICT_UNDECIDED);
  comparison.totals.mutable_estimate()->set_observations_needed(1234);
  EXPECT_THAT(Report(comparison), HasSubstr("needed            about 1,234 documents in all"));
}

TEST(CompareReportTest, NamesTheLeakWhereThereIsNoVerdict) {
  Comparison comparison = Worse();
  EXPECT_THAT(Report(comparison), Not(HasSubstr("lookahead:")));
  comparison.started.set_no_verdict_reason("FULL_WINDOW ..");
  EXPECT_THAT(Report(comparison), HasSubstr("leaked: the target itself was read before"));
}

TEST(CompareReportTest, SaysNothingOfNothing) {
  Comparison comparison;
  comparison.totals.mutable_estimate()->set_verdict(v1::COMPARE_VERDICT_UNDECIDED);
  comparison.totals.mutable_estimate()->set_gate(v1::COMPARE_GATE_OBSERVATIONS);
  const std::string report = Report(comparison);
  EXPECT_THAT(report, HasSubstr("undecided: 0 documents"));
  EXPECT_THAT(report, Not(HasSubstr("nan")));
  EXPECT_THAT(report, Not(HasSubstr("inf")));
}

TEST(CompareReportTest, ShowsAnExpectationOnlyByItsVerdict) {
  v1::CompareEstimate estimate;
  estimate.set_verdict(v1::COMPARE_VERDICT_BETTER);
  estimate.set_not_worse(true);
  EXPECT_TRUE(Shows(estimate, "better"));
  EXPECT_TRUE(Shows(estimate, "not-worse"));
  EXPECT_FALSE(Shows(estimate, "equivalent"));
  estimate.set_verdict(v1::COMPARE_VERDICT_WORSE);
  estimate.set_not_worse(false);
  EXPECT_FALSE(Shows(estimate, "better"));
  EXPECT_FALSE(Shows(estimate, "not-worse"));
  estimate.set_verdict(v1::COMPARE_VERDICT_EQUIVALENT);
  EXPECT_TRUE(Shows(estimate, "equivalent"));
}

}  // namespace
}  // namespace scanserve::client
