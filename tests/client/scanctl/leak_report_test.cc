#include "client/scanctl/leak_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::CheckScanSettingResponse Response(v1::LeakVerdict verdict) {
  v1::CheckScanSettingResponse response;
  v1::InForce& in_force = *response.mutable_in_force();
  in_force.mutable_scan()->mutable_order()->set_name("wiki");
  in_force.mutable_scan()->mutable_order()->set_version(2);
  in_force.mutable_scan()->mutable_order()->set_digest(std::string(64, 'd'));
  in_force.mutable_scan()->add_target_layers(3);
  in_force.set_model("scanserve-6m");
  in_force.set_model_digest(std::string(64, 'e'));
  in_force.set_numerics_id("f32.k1");
  response.set_length(2001);
  response.mutable_causal()->set_targets(500);
  response.mutable_causal()->set_unread_rows(12345);
  response.mutable_lookahead()->set_targets(300);
  response.mutable_lookahead()->set_unread_rows(4);
  response.mutable_lookahead()->set_read_rows(5);
  response.mutable_lookahead()->set_read_rows_changed(5);
  response.mutable_leaked()->set_targets(1200);
  response.mutable_leaked()->set_read_rows(6);
  response.mutable_leaked()->set_read_rows_changed(3);
  response.set_trials(16);
  response.set_model_tokens(34017);
  response.set_verdict(verdict);
  return response;
}

TEST(LeakReportTest, ShowsWhatWasCheckedAndEachClass) {
  const std::string report = LeakReport(Response(v1::LEAK_VERDICT_CONFIRMED), 80, false);
  EXPECT_THAT(report, HasSubstr("setting   wiki@2, layers 3\n"));
  EXPECT_THAT(report, HasSubstr("digest    dddddddddddd\n"));
  EXPECT_THAT(report, HasSubstr("model     scanserve-6m, eeeeeeeeeeee, f32.k1\n"));
  EXPECT_THAT(report, HasSubstr("16 trials, 34,017 tokens, 12,360 rows compared"));
  EXPECT_THAT(report, HasSubstr("causal         500  25.0 %     0 of 12,345             -\n"));
  EXPECT_THAT(report, HasSubstr("lookahead      300  15.0 %          0 of 4        5 of 5\n"));
  EXPECT_THAT(report, HasSubstr("leaked       1,200  60.0 %               -        3 of 6\n"));
  EXPECT_THAT(report, HasSubstr("\nConfirmed: "));
}

TEST(LeakReportTest, NamesThePositionThatContradicts) {
  v1::CheckScanSettingResponse response = Response(v1::LEAK_VERDICT_CONTRADICTED);
  response.mutable_contradiction()->set_position(7);
  response.mutable_contradiction()->set_replaced_begin(8);
  response.mutable_contradiction()->set_replaced_end(2001);
  EXPECT_THAT(LeakReport(response, 80, false),
              HasSubstr("Contradicted: position 7 changed when tokens 8 to 2000 were replaced"));
}

TEST(LeakReportTest, SaysThatCountsAloneWereNotComputed) {
  v1::CheckScanSettingResponse response = Response(v1::LEAK_VERDICT_COUNTED);
  response.set_trials(0);
  const std::string report = LeakReport(response, 80, false);
  EXPECT_THAT(report, HasSubstr("nothing was computed"));
  EXPECT_THAT(report, Not(HasSubstr("trials")));
  EXPECT_THAT(LeakVerdictText(Response(v1::LEAK_VERDICT_INCONCLUSIVE)),
              HasSubstr("more trials or another seed"));
}

TEST(LeakReportTest, FitsIntoEightyColumns) {
  for (const v1::LeakVerdict verdict :
       {v1::LEAK_VERDICT_COUNTED, v1::LEAK_VERDICT_CONFIRMED, v1::LEAK_VERDICT_CONTRADICTED,
        v1::LEAK_VERDICT_INCONCLUSIVE}) {
    v1::CheckScanSettingResponse response = Response(verdict);
    response.mutable_contradiction()->set_position(32'766);
    response.mutable_contradiction()->set_replaced_begin(32'767);
    response.mutable_contradiction()->set_replaced_end(32'768);
    std::istringstream report(LeakReport(response, 80, false));
    for (std::string line; std::getline(report, line);) EXPECT_LE(line.size(), 80) << line;
  }
}

}  // namespace
}  // namespace scanserve::client
