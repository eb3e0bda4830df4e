#include "core/experiment/statistics.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/experiment/assignment.h"

namespace scanserve::experiment {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Design TestDesign() {
  Design design;
  design.id = "trial";
  design.salt = "salt";
  design.arms = {{"control", 1, 0}, {"tour", 1, kWhole}};
  return design;
}

ArmDifference Difference(const Statistics& statistics, Metric metric) {
  const std::vector<compare::RatioEstimate> estimates = statistics.EstimatesOfArms(metric);
  return {estimates[0], estimates[1]};
}

UnitKey Key(int i) { return UnitKey::Of(absl::StrCat("unit-", i)); }

Outcome Lasting(absl::Duration first_token, bool fails = false) {
  Outcome outcome;
  if (fails) {
    outcome.end = Outcome::End::kError;
  } else {
    outcome.generated_tokens = 10;
    outcome.latencies = {first_token, first_token / 10, first_token * 2};
  }
  return outcome;
}

// Half of the units each; every challenger takes `slower` times as long and fails as often as said.
std::optional<Stop> Send(Statistics& statistics, int units, double slower, double failing,
                         uint64_t seed = 1) {
  std::mt19937_64 generator(seed);
  std::lognormal_distribution<double> seconds(-3, .5);
  std::uniform_real_distribution<double> uniform;
  for (int i = 0; i < units; ++i) {
    const size_t arm = i % 2;
    if (auto stop = statistics.Expose(Key(i), arm, kNow)) return stop;
    const double taken = seconds(generator) * (arm == 0 ? 1 : slower);
    const bool fails = uniform(generator) < (arm == 0 ? .02 : failing);
    if (auto stop = statistics.Record(Key(i), Lasting(absl::Seconds(taken), fails), kNow)) {
      return stop;
    }
  }
  return std::nullopt;
}

TEST(StatisticsTest, AnArmThatIsSlowerThanItsGuardrailStopsTheExperiment) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kTimeToFirstToken, .1}};
  Statistics statistics(design);
  const auto stop = Send(statistics, 3'000, 1.4, .02);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->reason, StopReason::kGuardrail);
  EXPECT_EQ(stop->arm, "tour");
  EXPECT_EQ(stop->metric, Metric::kTimeToFirstToken);
  EXPECT_EQ(stop->time, kNow);
  EXPECT_GT(stop->interval->low, .1);
  EXPECT_GE(stop->observations, 200);
}

TEST(StatisticsTest, AlphaIsSharedByArmsAndGuardrails) {
  Design design = TestDesign();
  design.arms.push_back({"other", 0, 0});
  design.guardrails = {{Metric::kTimeToFirstToken, .1}, {Metric::kErrors, .5}};
  Statistics statistics(design);
  const auto stop = Send(statistics, 3'000, 1.4, .02);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->interval->low, Difference(statistics, Metric::kTimeToFirstToken)
                                     .AnytimeLowerBound(.05 / 2 / 2, kTunedUnits));
}

TEST(StatisticsTest, AnArmThatIsSlowerByLessThanItsMarginDoesNot) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kTimeToFirstToken, .4}, {Metric::kErrors, .05}};
  Statistics statistics(design);
  EXPECT_FALSE(Send(statistics, 3'000, 1.4, .03).has_value());
}

TEST(StatisticsTest, AnArmThatFailsMoreOftenStopsTheExperiment) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kErrors, .02}};
  Statistics statistics(design);
  const auto stop = Send(statistics, 3'000, 1, .2);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->metric, Metric::kErrors);
}

TEST(StatisticsTest, AnArmThatIsBetterStopsNothing) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kTimeToFirstToken, 0}, {Metric::kErrors, 0}};
  Statistics statistics(design);
  EXPECT_FALSE(Send(statistics, 3'000, .5, 0).has_value());
}

TEST(StatisticsTest, GuardrailsNeedAHundredUnitsInEachArm) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kTimeToFirstToken, 0}};
  Statistics statistics(design);
  const auto stop = Send(statistics, 3'000, 100, 0);
  ASSERT_TRUE(stop.has_value());
  // Units that failed have no latency.
  EXPECT_GE(statistics.TotalsOfArms()[1].units, 100);
  EXPECT_LE(statistics.TotalsOfArms()[1].units, 105);
}

TEST(StatisticsTest, ALimitOfUnitsStopsTheExperiment) {
  Design design = TestDesign();
  design.stop.max_units = 50;
  Statistics statistics(design);
  const auto stop = Send(statistics, 100, 1, 0);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->reason, StopReason::kMaxUnits);
  EXPECT_EQ(stop->observations, 50);
}

TEST(StatisticsTest, ALimitOfTimeStopsTheExperiment) {
  Design design = TestDesign();
  design.stop.max_time = absl::Hours(1);
  const Statistics statistics(design);
  EXPECT_FALSE(statistics.CheckTime(kNow, kNow + absl::Minutes(59)).has_value());
  EXPECT_EQ(statistics.CheckTime(kNow, kNow + absl::Hours(1))->reason, StopReason::kMaxTime);
  EXPECT_FALSE(Statistics(TestDesign()).CheckTime(kNow, kNow + absl::Hours(100'000)).has_value());
}

TEST(StatisticsTest, AnInvalidRatioSuspendsVerdictsAndStopsByRule) {
  for (const bool stops : {false, true}) {
    Design design = TestDesign();
    design.stop.sample_ratio = stops;
    Statistics statistics(design);
    std::optional<Stop> stop;
    for (int i = 0; i < 100 && !stop; ++i) stop = statistics.Expose(Key(i), 0, kNow);
    EXPECT_EQ(stop.has_value(), stops);
    EXPECT_TRUE(!stop || stop->reason == StopReason::kSampleRatio);
    EXPECT_NE(statistics.NoVerdictReason(1), "");
  }
}

// Paired scores of `units` units that differ by `difference` on the average.
std::optional<Stop> Score(Statistics& statistics, size_t arm, int units, double difference) {
  std::mt19937_64 generator(7);
  std::normal_distribution<double> normal;
  for (int i = 0; i < units; ++i) {
    const double tokens = 20 + i % 5;
    const double sum = tokens * (difference + .01 * normal(generator));
    if (auto stop = statistics.AddPaired(arm, Key(i), {sum, tokens, 1}, kNow)) return stop;
  }
  return std::nullopt;
}

TEST(StatisticsTest, PairedVerdictsStopByTheRuleThatAsksForThem) {
  Design design = TestDesign();
  Statistics patient(design);
  EXPECT_FALSE(Score(patient, 1, 300, -.02).has_value());
  Statistics indifferent(design);
  EXPECT_FALSE(Score(indifferent, 1, 300, 0).has_value());
  design.stop.verdict = true;
  Statistics eager(design);
  const auto stop = Score(eager, 1, 300, -.02);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->reason, StopReason::kVerdict);
  EXPECT_EQ(stop->observations, 100);
  EXPECT_LT(stop->interval->high, 0);
}

TEST(StatisticsTest, EquivalenceStopsOnceAllArmsAreEquivalent) {
  Design design = TestDesign();
  design.arms.push_back({"other", 0, kWhole});
  design.stop.equivalence = true;
  Statistics statistics(design);
  EXPECT_FALSE(Score(statistics, 1, 300, 0).has_value());
  const auto stop = Score(statistics, 2, 300, 0);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->reason, StopReason::kEquivalence);
}

TEST(StatisticsTest, TheGuardrailOfPerplexityStopsAtHarmAlone) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kPerplexity, .01}};
  Statistics better(design);
  EXPECT_FALSE(Score(better, 1, 300, -.02).has_value());
  Statistics a_little_worse(design);
  EXPECT_FALSE(Score(a_little_worse, 1, 300, .008).has_value());
  Statistics worse(design);
  const auto stop = Score(worse, 1, 300, .02);
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(stop->reason, StopReason::kGuardrail);
  EXPECT_EQ(stop->metric, Metric::kPerplexity);
}

TEST(StatisticsTest, NoVerdictStopsBelowTheCoverage) {
  Design design = TestDesign();
  design.stop.verdict = true;
  Statistics statistics(design);
  for (int i = 0; i < 50; ++i) statistics.CountDropped(1, ShadowDrop::kQueueFull);
  EXPECT_FALSE(Score(statistics, 1, 300, -.02).has_value());
  EXPECT_NE(statistics.NoVerdictReason(1), "");
}

TEST(StatisticsTest, SumsLeaveExcludedUnitsOut) {
  Statistics statistics(TestDesign());
  Outcome outcome = Lasting(absl::Seconds(1));
  outcome.unsticky = true;
  outcome.prompt_tokens = 4;
  for (int i = 0; i < 3; ++i) {
    statistics.Expose(Key(i), 0, kNow);
    statistics.Record(Key(i), outcome, kNow);
  }
  statistics.Expose(Key(2), 1, kNow);
  const std::vector<ArmTotals> totals = statistics.TotalsOfArms();
  EXPECT_EQ(totals[0].units, 2);
  const RequestSums& sums = totals[0].sums;
  EXPECT_EQ(sums.requests, 2);
  EXPECT_EQ(sums.unsticky, 2);
  EXPECT_EQ(sums.prompt_tokens, 8);
  EXPECT_EQ(sums.generated_tokens, 20);
  EXPECT_EQ(sums.errors + sums.cancelled, 0);
  EXPECT_EQ(totals[1].units, 0);
  EXPECT_EQ(statistics.units().excluded(), 1);
}

// Everything at once, restarted after each step in one of the two.
TEST(StatisticsTest, GoOnAfterARestartToTheBit) {
  Design design = TestDesign();
  design.guardrails = {{Metric::kDuration, 5}, {Metric::kPerplexity, 5}};
  Statistics straight(design);
  Statistics restarted(design);
  const Assignment assignment(design);
  std::mt19937_64 generator(9);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 400; ++i) {
    const std::string name = absl::StrCat("unit-", generator() % 150);
    const UnitKey unit = UnitKey::Of(name);
    const size_t arm = assignment.ArmOf(name);
    const Outcome outcome = Lasting(absl::Seconds(1 + .1 * normal(generator)), i % 17 == 0);
    const compare::PairedCluster cluster = {normal(generator), 9, 1};
    auto restored = Statistics::Restore(design, restarted.Save());
    ASSERT_TRUE(restored.ok()) << restored.status();
    restarted = *std::move(restored);
    for (Statistics* statistics : {&straight, &restarted}) {
      EXPECT_FALSE(statistics->Expose(unit, arm, kNow).has_value());
      EXPECT_FALSE(statistics->Record(unit, outcome, kNow).has_value());
      statistics->CountEligible(1, true);
      EXPECT_FALSE(statistics->AddPaired(1, unit, cluster, kNow).has_value());
      PairDrift& drift = statistics->drift(1);
      (i % 3 == 0 ? drift.of_control : drift.of_arm).Add(unit, {cluster, i % 2});
    }
  }
  EXPECT_EQ(straight.Save(), restarted.Save());
  EXPECT_EQ(Statistics::Restore(design, straight.Save())->Save(), straight.Save());
  EXPECT_EQ(Difference(straight, Metric::kDuration).AnytimeInterval(.05, 1'000).low,
            Difference(restarted, Metric::kDuration).AnytimeInterval(.05, 1'000).low);
  EXPECT_EQ(straight.sample_ratio().min_p(), restarted.sample_ratio().min_p());
  EXPECT_EQ(restarted.drift(1).of_control.counts().scored, 134);
  EXPECT_EQ(restarted.drift(1).of_arm.counts().scored, 266);
  EXPECT_EQ(straight.drift(1).of_arm.estimate().jackknife_error,
            restarted.drift(1).of_arm.estimate().jackknife_error);
}

TEST(StatisticsTest, WhatIsSharedStaysAsItWasWhileMoreComesIn) {
  Statistics statistics(TestDesign());
  const auto add_all = [&statistics](int units) {
    Send(statistics, units, 1, 0);
    for (int i = 0; i < units; ++i) {
      const AnswerPair answer = {{.1 * i, 9, 1}, i % 2};
      statistics.CountEligible(1, true);
      statistics.AddPaired(1, Key(i), answer.cluster, kNow);
      statistics.drift(1).of_control.Add(Key(i), answer);
      statistics.drift(1).of_arm.Add(Key(i), answer);
    }
    statistics.Expose(Key(0), 1, kNow);
  };
  add_all(3'000);
  const std::string saved = statistics.Save();
  const std::unique_ptr<const Statistics> shared = statistics.Share();
  EXPECT_EQ(shared->Save(), saved);
  // Units that are there, in every block, and others.
  add_all(6'000);
  EXPECT_EQ(shared->Save(), saved);
  EXPECT_EQ(shared->sample_ratio().units(), 3'000);
  EXPECT_EQ(shared->units().excluded(), 1);
  EXPECT_EQ(shared->drift(1).of_arm.estimate().clusters, 3'000);
  EXPECT_EQ(shared->shadow(1).Peek(kNow).estimate.clusters, 3'000);
  // And nothing that comes in is lost: the unit of two arms had two requests.
  EXPECT_EQ(statistics.sample_ratio().units(), 6'000);
  EXPECT_EQ(statistics.TotalsOfArms()[0].sums.requests + statistics.TotalsOfArms()[1].sums.requests,
            9'000 - 2);
}

TEST(StatisticsTest, RestoreNothingThatWasAlteredOrIsOfAnotherDesign) {
  Statistics statistics(TestDesign());
  Send(statistics, 5, 1, 0);
  const std::string saved = statistics.Save();
  for (size_t i = 0; i < saved.size(); ++i) {
    std::string altered = saved;
    altered[i] ^= 1;
    EXPECT_EQ(Statistics::Restore(TestDesign(), altered).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_FALSE(Statistics::Restore(TestDesign(), saved.substr(0, i)).ok());
  }
  Design wider = TestDesign();
  wider.arms.push_back({"other", 1, 0});
  EXPECT_FALSE(Statistics::Restore(wider, saved).ok());
}

}  // namespace
}  // namespace scanserve::experiment
