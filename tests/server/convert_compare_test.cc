#include "server/convert_compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace scanserve::server {
namespace {

using testing::HasSubstr;

TEST(ConvertCompareTest, FillsDefaultsIn) {
  const auto options = ComparisonOptionsFromProto({}).value();
  EXPECT_EQ(options.margin, .005);
  EXPECT_EQ(options.alpha, .05);
  EXPECT_EQ(options.plan, compare::Plan::kHybrid);
  EXPECT_EQ(CompareMode({}), v1::PERPLEXITY_MODE_CONTINUATION);
}

TEST(ConvertCompareTest, NamesASettingOutOfRange) {
  const auto message_of = [](auto change) {
    v1::CompareSettings settings;
    change(settings);
    return std::string(ComparisonOptionsFromProto(settings).status().message());
  };
  for (const double margin : {0., -.1, 10.1, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(message_of([&](auto& s) { s.set_margin(margin); }), HasSubstr("settings.margin"));
  }
  for (const double alpha : {0., .00009, .51, std::nan("")}) {
    EXPECT_THAT(message_of([&](auto& s) { s.set_alpha(alpha); }), HasSubstr("settings.alpha"));
  }
  EXPECT_THAT(message_of([](auto& s) { s.set_plan(static_cast<v1::ComparePlan>(9)); }),
              HasSubstr("settings.plan: 9"));
  EXPECT_EQ(message_of([](auto& s) {
              s.set_margin(10);
              s.set_alpha(.0001);
              s.set_plan(v1::COMPARE_PLAN_OPEN_ENDED);
            }),
            "");
}

TEST(ConvertCompareTest, RulesAreThoseOfPerplexityInItsMode) {
  v1::CompareSettings settings;
  EXPECT_THAT(CompareRulesFromProto(settings, 100).status().message(),
              HasSubstr("settings.prefix_tokens: 0"));
  settings.set_prefix_tokens(8);
  const ScoringRules rules = CompareRulesFromProto(settings, 100).value();
  EXPECT_EQ(rules.mode, runtime::PerplexityMode::kContinuation);
  EXPECT_EQ(rules.prefix_tokens, 8);
  EXPECT_TRUE(rules.per_token);
  settings.set_mode(v1::PERPLEXITY_MODE_SLIDING);
  EXPECT_THAT(CompareRulesFromProto(settings, 100).status().message(),
              HasSubstr("prefix_tokens: 8, SLIDING has none"));
}

compare::PairedComparison Comparison(int clusters, double difference) {
  compare::PairedComparison comparison({});
  for (int i = 0; i < clusters; ++i) comparison.Add({difference + (i % 2), 10, 1});
  return comparison;
}

TEST(ConvertCompareTest, AnEstimateSaysWhatAVerdictWaitsFor) {
  compare::PairedComparison comparison = Comparison(20, 1);
  const auto look = comparison.Look(absl::UnixEpoch());
  const v1::CompareEstimate proto = EstimateToProto(comparison, look, true);
  EXPECT_EQ(proto.verdict(), v1::COMPARE_VERDICT_UNDECIDED);
  EXPECT_EQ(proto.gate(), v1::COMPARE_GATE_OBSERVATIONS);
  EXPECT_EQ(proto.gate_has(), 20);
  EXPECT_EQ(proto.gate_needs(), 50);
  EXPECT_TRUE(proto.has_observations_needed());
  EXPECT_EQ(proto.observations(), 20);
  EXPECT_EQ(proto.tokens(), 200);
  EXPECT_DOUBLE_EQ(proto.difference(), .15);
  EXPECT_LT(proto.low(), .15);
  EXPECT_GT(proto.high(), .15);
}

TEST(ConvertCompareTest, WhereNoVerdictIsAllowedAnEstimateCarriesNone) {
  compare::PairedComparison comparison = Comparison(100, 5);
  const auto look = comparison.Look(absl::UnixEpoch());
  EXPECT_EQ(EstimateToProto(comparison, look, true).verdict(), v1::COMPARE_VERDICT_WORSE);
  EXPECT_TRUE(EstimateToProto(comparison, look, true).beyond_margin());
  const v1::CompareEstimate proto = EstimateToProto(comparison, look, false);
  EXPECT_EQ(proto.verdict(), v1::COMPARE_VERDICT_UNSPECIFIED);
  EXPECT_FALSE(proto.beyond_margin());
  EXPECT_FALSE(proto.has_observations_needed());
  EXPECT_EQ(proto.observations(), 100);
}

TEST(ConvertCompareTest, IdenticalArmsHaveNoInterval) {
  compare::PairedComparison comparison({});
  for (int i = 0; i < 60; ++i) comparison.Add({0, 10, 0});
  const v1::CompareEstimate proto =
      EstimateToProto(comparison, comparison.LookAtEnd(absl::UnixEpoch()), true);
  EXPECT_EQ(proto.verdict(), v1::COMPARE_VERDICT_EQUIVALENT);
  EXPECT_TRUE(proto.identical());
  EXPECT_TRUE(proto.at_end());
  EXPECT_FALSE(proto.has_low());
}

TEST(ConvertCompareTest, TotalsCarryTheBootstrapOfUpToAThousandObservations) {
  const auto totals_of = [](const compare::PairedComparison& comparison, double alpha) {
    v1::CompareTotals totals;
    AddBootstrap(comparison, alpha, totals);
    return totals;
  };
  const v1::CompareTotals totals = totals_of(Comparison(100, 1), .05);
  // Deviation .05 of the clusters' means, over 10.
  EXPECT_NEAR(totals.bootstrap_low(), .15 - 1.96 * .005, .001);
  EXPECT_NEAR(totals.bootstrap_high(), .15 + 1.96 * .005, .001);
  EXPECT_LT(totals_of(Comparison(100, 1), .5).bootstrap_high(), totals.bootstrap_high());
  EXPECT_TRUE(totals_of(Comparison(1'000, 1), .05).has_bootstrap_low());
  for (const int none : {0, 1, 1'001}) {
    EXPECT_FALSE(totals_of(Comparison(none, 1), .05).has_bootstrap_low()) << none;
  }
  EXPECT_FALSE(totals.has_estimate());
}

}  // namespace
}  // namespace scanserve::server
