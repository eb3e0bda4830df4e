// How often a comparison that is looked at after every document says what is not so, and how soon
// it says what is. Seeded simulations; the measured numbers are printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "core/compare/paired_comparison.h"

namespace scanserve::compare {
namespace {

constexpr int kRuns = 1000;
constexpr int64_t kDocuments = 400;
// alpha + 2.33 sqrt(alpha (1 - alpha) / 1000): what a true rate of 5 % stays under in 99 of 100
// times.
constexpr double kBound = .066;

using Generator = std::mt19937_64;
using Population = std::function<PairedCluster(Generator&)>;

double Normal(Generator& generator) { return std::normal_distribution<double>()(generator); }

// The mean difference per token is 0 in each of these.
PairedCluster NormalDocument(Generator& generator) {
  const double tokens = 50 + static_cast<double>(generator() % 101);
  return {tokens * Normal(generator), tokens, 0};
}

PairedCluster HeavyTailedDocument(Generator& generator) {
  return {std::student_t_distribution<double>(5)(generator), 1, 0};
}

PairedCluster SkewedDocument(Generator& generator) {
  return {std::exponential_distribution<double>()(generator) - 1, 1, 0};
}

// Lengths 20, 40, .., 400. B wins on short documents and loses on long ones, half of a deviation
// either way: E D = E L (.0025 (L - E L^2 / E L)) = 0, with E L = 210 and E L^2 = 57,400.
PairedCluster LengthDependentDocument(Generator& generator) {
  const double tokens = 20 * static_cast<double>(1 + generator() % 20);
  return {tokens * (.0025 * (tokens - 57'400. / 210) + Normal(generator)), tokens, 0};
}

// One document in twenty carries a harm of 2 deviations, which the others' gain makes up for.
PairedCluster RarelyHarmedDocument(Generator& generator) {
  const bool harmed = std::uniform_real_distribution<double>()(generator) < .05;
  return {(harmed ? 1.9 : -.1) + .25 * Normal(generator), 1, 0};
}

struct FalseVerdicts {
  double shown = 0;    // at any look, from the gates on
  double stopped = 0;  // by the rule that stops
};

FalseVerdicts Simulate(const Population& document, Plan plan, uint64_t seed) {
  int shown = 0;
  int stopped = 0;
  for (int run = 0; run < kRuns; ++run) {
    Generator generator(seed * 1'000'003 + static_cast<uint64_t>(run));
    // A margin so small that nothing is equivalent.
    PairedComparison comparison({.margin = 1e-12, .plan = plan});
    bool any = false;
    bool any_stop = false;
    const auto note = [&](const ComparisonLook& look) {
      any = any || look.assessment.verdict != Verdict::kUndecided;
      any_stop = any_stop || look.may_stop;
    };
    for (int64_t i = 0; i < kDocuments && !any_stop; ++i) {
      comparison.Add(document(generator));
      note(comparison.Look(absl::UnixEpoch()));
    }
    if (!any_stop) note(comparison.LookAtEnd(absl::UnixEpoch()));
    shown += any ? 1 : 0;
    stopped += any_stop ? 1 : 0;
  }
  return {static_cast<double>(shown) / kRuns, static_cast<double>(stopped) / kRuns};
}

FalseVerdicts Measure(const std::string& name, const Population& document, Plan plan) {
  const FalseVerdicts rates = Simulate(document, plan, 17);
  std::cout << name << (plan == Plan::kHybrid ? ", hybrid" : ", open-ended") << ": false verdicts "
            << 100 * rates.shown << " % shown, " << 100 * rates.stopped << " % stopped\n";
  return rates;
}

class FalseVerdictsTest : public testing::TestWithParam<Plan> {};

TEST_P(FalseVerdictsTest, AreUnderTheBoundForNormalDocuments) {
  const FalseVerdicts rates = Measure("normal", NormalDocument, GetParam());
  EXPECT_LE(rates.shown, kBound);
  EXPECT_LE(rates.stopped, kBound);
}

TEST_P(FalseVerdictsTest, AreUnderTheBoundForHeavyTails) {
  const FalseVerdicts rates = Measure("t5", HeavyTailedDocument, GetParam());
  EXPECT_LE(rates.shown, kBound);
  EXPECT_LE(rates.stopped, kBound);
}

TEST_P(FalseVerdictsTest, AreUnderTheBoundForEffectsThatDependOnLength) {
  const FalseVerdicts rates = Measure("length-dependent", LengthDependentDocument, GetParam());
  EXPECT_LE(rates.shown, kBound);
  EXPECT_LE(rates.stopped, kBound);
}

TEST_P(FalseVerdictsTest, AreUnderTheBoundForSkewedDocuments) {
  const FalseVerdicts rates = Measure("skew", SkewedDocument, GetParam());
  EXPECT_LE(rates.shown, kBound);
  EXPECT_LE(rates.stopped, kBound);
}

TEST_P(FalseVerdictsTest, AreUnderTheBoundForRareHarm) {
  const FalseVerdicts rates = Measure("rare harm", RarelyHarmedDocument, GetParam());
  EXPECT_LE(rates.shown, kBound);
  EXPECT_LE(rates.stopped, kBound);
}

INSTANTIATE_TEST_SUITE_P(Plans, FalseVerdictsTest, testing::Values(Plan::kHybrid, Plan::kOpenEnded),
                         [](const auto& plan) {
                           return plan.param == Plan::kHybrid ? "Hybrid" : "OpenEnded";
                         });

// Documents at which the rule stops, sorted; -1 where it never did.
std::vector<int64_t> Stops(const std::function<double(Generator&)>& noise) {
  std::vector<int64_t> stops;
  for (int run = 0; run < kRuns; ++run) {
    Generator generator(29 * 1'000'003 + static_cast<uint64_t>(run));
    PairedComparison comparison({.plan = Plan::kOpenEnded});
    ComparisonLook look;
    while (!look.may_stop && comparison.clusters() < 500) {
      comparison.Add({-.3 + noise(generator), 1, 0});
      look = comparison.Look(absl::UnixEpoch());
    }
    stops.push_back(
        look.may_stop && look.assessment.verdict == Verdict::kBetter ? comparison.clusters() : -1);
  }
  std::sort(stops.begin(), stops.end());
  return stops;
}

TEST(PlantedEffectTest, OfThreeTenthsOfADeviationStopsNearAHundredDocuments) {
  const std::vector<int64_t> stops = Stops(Normal);
  std::cout << "planted effect of 0.3 deviations: median stop " << stops[kRuns / 2] << ", last "
            << stops.back() << "\n";
  EXPECT_EQ(stops.front(), 100);
  EXPECT_GE(stops[kRuns / 2], 95);
  EXPECT_LE(stops[kRuns / 2], 110);
}

TEST(PlantedEffectTest, IsMostlyFoundUnderHeavyTailsToo) {
  const auto found = [](const std::vector<int64_t>& stops) {
    return std::count_if(stops.begin(), stops.end(), [](int64_t stop) { return stop > 0; });
  };
  // Noise of deviation sqrt(5/3).
  const auto stops =
      Stops([](Generator& generator) { return std::student_t_distribution<double>(5)(generator); });
  std::cout << "planted effect under t5 noise: " << found(stops) << " of " << kRuns << " found\n";
  EXPECT_GE(found(stops), 950);
}

}  // namespace
}  // namespace scanserve::compare
