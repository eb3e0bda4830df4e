#include "client/scanctl/experiment_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::GetExperimentResponse Running() {
  v1::GetExperimentResponse response;
  v1::ExperimentDesign& design = *response.mutable_experiment()->mutable_design();
  design.set_id("trial");
  design.set_exposure(2'500);
  for (const char* name : {"control", "tour"}) {
    v1::ExperimentArm& arm = *design.add_arms();
    arm.set_name(name);
    arm.set_weight(1);
    v1::ArmResults& results = *response.mutable_results()->add_arms();
    results.set_name(name);
    results.set_units(1'234);
    results.set_requests(5'678);
    v1::MetricEstimate& first = *results.add_metrics();
    first.set_metric(v1::EXPERIMENT_METRIC_TIME_TO_FIRST_TOKEN);
    first.set_units(1'200);
    first.set_mean(.05);
    v1::MetricEstimate& errors = *results.add_metrics();
    errors.set_metric(v1::EXPERIMENT_METRIC_ERRORS);
    errors.set_units(1'234);
    errors.set_mean(.02);
  }
  v1::ExperimentArm& tour = *design.mutable_arms(1);
  tour.mutable_scan()->mutable_setting()->mutable_order()->set_name("wiki");
  tour.mutable_scan()->mutable_setting()->mutable_order()->set_version(3);
  v1::MetricEstimate& slower = *response.mutable_results()->mutable_arms(1)->mutable_metrics(0);
  slower.set_difference(.1);
  slower.set_low(-.05);
  slower.set_high(.25);
  v1::MetricEstimate& errors = *response.mutable_results()->mutable_arms(1)->mutable_metrics(1);
  errors.set_difference(.01);
  v1::SampleRatio& ratio = *response.mutable_results()->mutable_sample_ratio();
  ratio.set_state(v1::SAMPLE_RATIO_STATE_WARNING);
  ratio.set_p(.0042);
  ratio.set_degrees_of_freedom(1);
  return response;
}

std::string Report(const v1::GetExperimentResponse& response) {
  return ExperimentReport(response, 80, false);
}

TEST(ExperimentReportTest, ShowsArmsMetricsAndTheSampleRatioInEightyColumns) {
  const std::string report = Report(Running());
  EXPECT_THAT(report, HasSubstr("wiki@3"));
  EXPECT_THAT(report, HasSubstr("25 %"));
  EXPECT_THAT(report, HasSubstr("warning, p 0.0042"));
  EXPECT_THAT(report, HasSubstr("1,234"));
  // exp of .1, -.05 and .25.
  EXPECT_THAT(report, HasSubstr("+10.52 %"));
  EXPECT_THAT(report, HasSubstr("-4.88 % to +28.40 %"));
  // A difference of shares.
  EXPECT_THAT(report, HasSubstr("+1.00 %"));
  EXPECT_THAT(report, HasSubstr("too few units"));
  EXPECT_THAT(report, Not(HasSubstr("prompts scored")));
  std::istringstream lines(report);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(ExperimentReportTest, ShowsPairedScoresWithTheVerdictOrWhatItWaitsFor) {
  v1::GetExperimentResponse response = Running();
  v1::ShadowResults& shadow = *response.mutable_results()->mutable_arms(1)->mutable_shadow();
  shadow.set_eligible(1'000);
  shadow.set_sampled(200);
  shadow.set_scored(190);
  shadow.set_dropped_queue_full(10);
  v1::CompareEstimate& estimate = *shadow.mutable_estimate();
  estimate.set_difference(-.01);
  estimate.set_low(-.02);
  estimate.set_high(-.001);
  estimate.set_verdict(v1::COMPARE_VERDICT_UNDECIDED);
  estimate.set_gate(v1::COMPARE_GATE_OBSERVATIONS);
  estimate.set_gate_has(40);
  estimate.set_gate_needs(50);
  std::string report = Report(response);
  EXPECT_THAT(report, HasSubstr("190 of 200 chosen out of 1,000"));
  EXPECT_THAT(report, HasSubstr("10 queue full"));
  EXPECT_THAT(report, HasSubstr("-0.01000 (-0.02000 to -0.00100) nats/token"));
  EXPECT_THAT(report, HasSubstr("undecided: observations 40 of 50"));
  shadow.set_no_verdict_reason("too few");
  EXPECT_THAT(Report(response), HasSubstr("none: too few"));
}

TEST(ExperimentReportTest, ShowsTheDriftOfAnswersBesideTheVerdictAndNotAsOne) {
  v1::GetExperimentResponse response = Running();
  v1::ShadowResults& shadow = *response.mutable_results()->mutable_arms(1)->mutable_shadow();
  EXPECT_THAT(Report(response), Not(HasSubstr("drift")));
  v1::Drift& drift = *shadow.mutable_drift_of_arm();
  drift.set_answers(1'200);
  EXPECT_THAT(Report(response), HasSubstr("tour        control  0 of 1,200      -  too few units"));
  drift.set_scored(1'100);
  drift.set_nats_per_token(.0123);
  drift.set_low(.01);
  drift.set_high(.0146);
  drift.set_other_choices(.042);
  const std::string report = Report(response);
  EXPECT_THAT(report, HasSubstr("tour        control  1,100 of 1,200  +0.01230  "
                                "+0.01000 to +0.01460   4.2 %"));
  EXPECT_THAT(report, HasSubstr("not a verdict"));
  EXPECT_THAT(report, Not(HasSubstr("control     tour")));
  std::istringstream lines(report);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(ExperimentReportTest, SaysWhyItEnded) {
  v1::Experiment experiment;
  EXPECT_EQ(ExperimentStateText(experiment), "running");
  experiment.mutable_stop()->set_reason(v1::STOP_REASON_GUARDRAIL);
  experiment.mutable_stop()->set_observations(1'234);
  experiment.mutable_stop()->set_arm("tour");
  experiment.mutable_stop()->set_metric(v1::EXPERIMENT_METRIC_ERRORS);
  EXPECT_EQ(ExperimentStateText(experiment), "ended: guardrail, tour, errors, at 1,234 units");
}

}  // namespace
}  // namespace scanserve::client
