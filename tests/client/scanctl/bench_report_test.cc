#include "client/scanctl/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/scanctl/bench_trace.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

BenchTime At(int milliseconds) { return BenchTime(std::chrono::milliseconds(milliseconds)); }

BenchOutcome Outcome() {
  BenchOutcome outcome;
  outcome.intended = At(1000);
  outcome.sent = At(1000);
  outcome.deliveries = {{At(1100), 1}, {At(1120), 2}};
  outcome.finished = At(1500);
  outcome.prompt_tokens = 1000;
  outcome.generated_tokens = 3;
  return outcome;
}

class BenchReportTest : public testing::Test {
 protected:
  BenchReportTest() {
    settings_.mix.emplace_back();
    info_.mutable_model()->set_name("small");
  }

  BenchReport Report() { return {server_, info_, settings_, results_, load_}; }

  const std::string server_ = "127.0.0.1:1";
  v1::GetServerInfoResponse info_;
  BenchSettings settings_;
  BenchResults results_{1, 0};
  BenchLoadResult load_;
};

TEST_F(BenchReportTest, ShowsRatesAndLatencies) {
  results_.Add(Outcome());
  const std::string text = BenchReportText(Report(), 80, false);
  EXPECT_THAT(text, HasSubstr("load              closed loop, 8 clients\n"));
  EXPECT_THAT(text, HasSubstr("requests          1 completed, 0 failed\n"));
  EXPECT_THAT(text, HasSubstr("requests/s        2.00\n"));
  EXPECT_THAT(text, HasSubstr("prompt tokens     1,000, 2000.0/s\n"));
  EXPECT_THAT(text, HasSubstr("generated tokens  3, 6.0/s\n"));
  EXPECT_THAT(text, HasSubstr("generate: 1 completed\n"));
  EXPECT_THAT(text, HasSubstr("time to first token        1   100   100   100   100   100\n"));
  EXPECT_THAT(text, HasSubstr("time per output token      1  10.0  10.0  10.0  10.0  10.0\n"));
  EXPECT_THAT(text, Not(HasSubstr("start delay")));
  EXPECT_THAT(text, Not(HasSubstr("error")));
}

TEST_F(BenchReportTest, ShowsErrorsAndWhatWasNotSent) {
  settings_.rate = 3;
  load_.not_sent = 12;
  BenchOutcome outcome = Outcome();
  outcome.status = absl::ResourceExhaustedError("queue\nfull");
  results_.Add(outcome);
  const std::string text = BenchReportText(Report(), 80, false);
  EXPECT_THAT(text, HasSubstr("0 completed, 1 failed, 12 due but not sent\n"));
  EXPECT_THAT(text, HasSubstr("RESOURCE_EXHAUSTED      1  queue\\nfull\n"));
}

TEST_F(BenchReportTest, FitsIntoEightyColumns) {
  settings_.rate = 3;
  for (int i = 0; i < 2000; ++i) results_.Add(Outcome());
  std::istringstream text(BenchReportText(Report(), 80, false));
  for (std::string line; std::getline(text, line);) EXPECT_LE(line.size(), 80) << line;
}

TEST_F(BenchReportTest, WritesSettingsAndResultsAsJson) {
  results_.Add(Outcome());
  const Json json = BenchReportJson(Report());
  EXPECT_EQ(json["server"]["model"], "small");
  EXPECT_EQ(json["settings"]["loop"], "closed");
  EXPECT_EQ(json["settings"]["clients"], 8);
  EXPECT_EQ(json["settings"]["mix"][0]["prompt_tokens"], "128");
  EXPECT_EQ(json["completed"], 1);
  EXPECT_EQ(json["duration_seconds"], 0.5);
  EXPECT_EQ(json["generated_tokens_per_second"], 6.0);
  const Json& seconds = json["mix"][0]["seconds"];
  EXPECT_EQ(seconds["inter_token_latency"]["count"], 1);
  EXPECT_DOUBLE_EQ(seconds["inter_token_latency"]["p99"], 0.02);
  EXPECT_DOUBLE_EQ(seconds["end_to_end"]["mean"], 0.5);
  EXPECT_TRUE(json["mix"][0]["errors"].empty());
}

TEST(BenchTraceTest, WritesALineForEachRequest) {
  const TemporaryFolder folder;
  auto trace = BenchTrace::Create(folder.File("trace"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  BenchOutcome outcome = Outcome();
  ASSERT_TRUE((*trace)->Append(BenchMixEntry(), outcome).ok());
  outcome.status = absl::InternalError("broken");
  ASSERT_TRUE((*trace)->Append(BenchMixEntry(), outcome).ok());
  ASSERT_TRUE((*trace)->Finish().ok());
  std::istringstream lines(folder.Read("trace"));
  std::string line;
  std::getline(lines, line);
  const Json first = Json::parse(line);
  EXPECT_EQ(first["kind"], "generate");
  EXPECT_EQ(first["sent"], 1.0);
  EXPECT_EQ(first["deliveries"], Json::parse("[[1.1, 1], [1.12, 2]]"));
  EXPECT_EQ(first["code"], "OK");
  std::getline(lines, line);
  EXPECT_EQ(Json::parse(line)["message"], "broken");
}

TEST(BenchTraceTest, NamesTheFileThatCannotBeWritten) {
  const auto trace = BenchTrace::Create("/dev/null/trace");
  EXPECT_EQ(trace.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(trace.status().message()), HasSubstr("/dev/null/trace"));
}

}  // namespace
}  // namespace scanserve::client
