#include "client/scanctl/perplexity_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::HasSubstr;

void Set(v1::Score& score, double nll, int64_t tokens) {
  score.set_nll(nll);
  score.set_tokens(tokens);
}

v1::PerplexityTotals Totals(int64_t leaked, int64_t causal) {
  v1::PerplexityTotals totals;
  totals.set_documents(2);
  v1::ClassScores& scores = *totals.mutable_scores();
  Set(*scores.mutable_all(), std::log(50.0) * static_cast<double>(leaked + causal),
      leaked + causal);
  Set(*scores.mutable_leaked(), std::log(50.0) * static_cast<double>(leaked), leaked);
  Set(*scores.mutable_causal(), std::log(50.0) * static_cast<double>(causal), causal);
  scores.set_scored_bytes(10);
  scores.set_bits_per_byte(1.5);
  return totals;
}

std::string Report(const v1::PerplexityTotals& totals, int columns = 80) {
  v1::PerplexitySettings settings;
  settings.set_mode(v1::PERPLEXITY_MODE_FULL_WINDOW);
  settings.set_window_tokens(512);
  return PerplexityReport(settings, v1::InForce(), totals, columns, false);
}

TEST(PerplexityReportTest, ShowsEachClass) {
  const std::string report = Report(Totals(1000, 10));
  EXPECT_THAT(report, HasSubstr("mode       full-window, window 512\n"));
  EXPECT_THAT(report, HasSubstr("class      tokens    nats  nats/token  perplexity\n"));
  EXPECT_THAT(report, HasSubstr("leaked      1,000  3912.0      3.9120       50.00\n"));
  EXPECT_THAT(report, HasSubstr("lookahead       0     0.0           -           -\n"));
  EXPECT_THAT(report, HasSubstr("causal         10    39.1      3.9120       50.00\n"));
  EXPECT_THAT(report, HasSubstr("bits per byte  1.5000\n"));
}

TEST(PerplexityReportTest, SaysWhichRowIsFreeOfLeaks) {
  EXPECT_THAT(Report(Totals(1, 1)), HasSubstr("Only the causal row is leak-free"));
  EXPECT_THAT(Report(Totals(0, 1)), HasSubstr("All scored tokens are causal"));
  EXPECT_THAT(Report(Totals(0, 0)), HasSubstr("Nothing was scored."));
}

TEST(PerplexityReportTest, FitsIntoEightyColumns) {
  std::istringstream report(Report(Totals(1'000'000'000, 1'000'000'000)));
  for (std::string line; std::getline(report, line);) EXPECT_LE(line.size(), 80) << line;
}

TEST(PerplexityReportTest, BecomesBlocksOnANarrowTerminal) {
  EXPECT_THAT(Report(Totals(1, 1), 30), HasSubstr("class       leaked\ntokens      1\n"));
}

TEST(PerplexityReportTest, SaysWhyADocumentWasNotScored) {
  v1::DocumentScore document;
  document.set_document_id("7");
  document.set_unscored_reason("3 tokens, no more than the prefix");
  EXPECT_THAT(DocumentLine(document), HasSubstr("3 tokens, no more than the prefix\n"));
}

TEST(TokenScoreFileTest, WritesALineForEachToken) {
  const TemporaryFolder folder;
  auto file = TokenScoreFile::Create(folder.File("tokens")).value();
  v1::TokenScores scores;
  scores.set_document_id("1");
  for (const int position : {1, 2}) {
    scores.add_positions(position);
    scores.add_token_ids(40 + position);
    scores.add_nlls(0.5F);
    scores.add_classes(v1::TARGET_CLASS_CAUSAL);
  }
  ASSERT_TRUE(file->Append(scores).ok());
  ASSERT_TRUE(file->Finish().ok());
  EXPECT_EQ(folder.Read("tokens"),
            R"({"document_id":"1","index":0,"position":1,"token_id":41,"nll":0.5,"class":"causal"})"
            "\n"
            R"({"document_id":"1","index":0,"position":2,"token_id":42,"nll":0.5,"class":"causal"})"
            "\n");
}

TEST(TokenScoreFileTest, RefusesListsOfDifferentLengths) {
  const TemporaryFolder folder;
  auto file = TokenScoreFile::Create(folder.File("tokens")).value();
  v1::TokenScores scores;
  scores.add_positions(1);
  EXPECT_EQ(file->Append(scores).code(), absl::StatusCode::kDataLoss);
}

TEST(TokenScoreFileTest, ReportsAFullDisk) {
  auto file = TokenScoreFile::Create("/dev/full").value();
  v1::TokenScores scores;
  scores.add_positions(1);
  scores.add_token_ids(1);
  scores.add_nlls(1);
  scores.add_classes(v1::TARGET_CLASS_CAUSAL);
  ASSERT_TRUE(file->Append(scores).ok());
  EXPECT_EQ(file->Finish().message(), "cannot write /dev/full: No space left on device");
  EXPECT_FALSE(TokenScoreFile::Create("/nonexistent/tokens").ok());
}

}  // namespace
}  // namespace scanserve::client
