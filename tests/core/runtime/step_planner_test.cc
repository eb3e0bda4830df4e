// What goes into a step, and that a machine's steps keep to what was promised for them.
#include "core/runtime/step_planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "tests/core/runtime/planned_job.h"

namespace scanserve::runtime {
namespace {

using Sequences = std::vector<std::unique_ptr<Sequence>>;

EngineOptions Options() {
  EngineOptions options;
  options.step_tokens = 512;
  return options;
}

Sequences Decoders(int count) {
  Sequences sequences;
  for (int i = 0; i < count; ++i) sequences.push_back(PlannedSequence({.tokens = 1}));
  return sequences;
}

void Add(Sequences& sequences, const PlannedJobOptions& options, int count = 1) {
  for (int i = 0; i < count; ++i) sequences.push_back(PlannedSequence(options));
}

// As the engine does: all of the plan is read. A decoding sequence stays as it is.
StepPlan Step(StepPlanner& planner, const Sequences& sequences) {
  const StepPlan plan = planner.Plan(sequences, absl::Now());
  for (const Chunk& chunk : plan.together) {
    if (chunk.sequence->reading.size() > 1) chunk.sequence->tokens_read += chunk.tokens;
  }
  return plan;
}

// Tokens that were read of each of `sequences`.
std::vector<int64_t> Read(const Sequences& sequences) {
  std::vector<int64_t> read;
  for (const auto& sequence : sequences) read.push_back(sequence->tokens_read);
  return read;
}

// A machine whose steps cost what this says, but for noise.
class Machine {
 public:
  Machine(double fixed, double decoding, double reading, double scored)
      : fixed_(fixed), decoding_(decoding), reading_(reading), scored_(scored) {}

  double Seconds(const StepRows& rows) const {
    return fixed_ + decoding_ * static_cast<double>(rows.decoding) +
           reading_ * static_cast<double>(rows.reading) +
           scored_ * static_cast<double>(rows.scored);
  }
  // Within 10 %, and now and then ten times as long.
  double Measure(const StepRows& rows) {
    const double noise = std::uniform_real_distribution<double>(0.95, 1.05)(random_);
    return Seconds(rows) * noise * (random_() % 100 == 0 ? 10 : 1);
  }

 private:
  const double fixed_, decoding_, reading_, scored_;
  std::mt19937 random_{7};
};

// From a small model on few cores to one that takes a hundred times as long.
std::vector<Machine> Machines() {
  return {Machine(3e-4, 6e-5, 5e-5, 2e-5), Machine(2e-5, 2e-4, 4e-5, 1e-4),
          Machine(3e-2, 1e-3, 4e-3, 1e-3), Machine(5e-3, 5e-5, 6e-5, 1e-6)};
}

TEST(StepPlannerTest, WithoutDecodingSequencesAPromptTakesTheWholeBudget) {
  StepPlanner planner(Options());
  Sequences sequences;
  Add(sequences, {.tokens = 4000});
  EXPECT_EQ(Step(planner, sequences).rows.reading, 512);
  sequences.clear();
  Add(sequences, {.priority = Priority::kLow, .tokens = 4000, .scored = true});
  const StepPlan plan = Step(planner, sequences);
  EXPECT_EQ(plan.rows.reading, 512);
  EXPECT_EQ(plan.rows.scored, 512);
}

TEST(StepPlannerTest, EveryDecodingSequenceTakesOneTokenWhateverElseWaits) {
  StepPlanner planner(Options());
  Sequences sequences = Decoders(8);
  Add(sequences, {.tokens = 4000}, 3);
  Add(sequences, {.priority = Priority::kLow, .tokens = 1});
  int only_decoding = 0;
  for (int i = 0; i < 64; ++i) {
    const StepPlan plan = Step(planner, sequences);
    EXPECT_EQ(plan.rows.decoding, 9);
    only_decoding += plan.rows.reading == 0 ? 1 : 0;
  }
  EXPECT_EQ(only_decoding, 4) << "to know how long that takes";
}

TEST(StepPlannerTest, ASequenceWhoseReaderHasNoRoomIsLeftOut) {
  StepPlanner planner(Options());
  Sequences sequences = Decoders(2);
  Add(sequences, {.tokens = 100});
  for (size_t i : {0, 2}) sequences[i]->request->stream->Push(Started());
  for (int i = 0; i < 2; ++i) {
    const StepPlan plan = Step(planner, sequences);
    EXPECT_EQ(plan.rows.decoding, 1);
    EXPECT_EQ(plan.rows.reading, 0);
  }
  EXPECT_NE(sequences[0]->request->paused_since, absl::InfiniteFuture());
  sequences[0]->request->stream->Next();
  EXPECT_EQ(Step(planner, sequences).rows.decoding, 2);
  EXPECT_EQ(sequences[0]->request->paused_since, absl::InfiniteFuture());
}

TEST(StepPlannerTest, EqualPromptsEndWithinAStepOfEachOther) {
  StepPlanner planner(Options());
  Sequences sequences;
  Add(sequences, {.tokens = 600}, 5);
  std::vector<int> ends(5, 0);
  for (int step = 1; step <= 10; ++step) {
    Step(planner, sequences);
    for (size_t i = 0; i < 5; ++i) {
      if (ends[i] == 0 && sequences[i]->tokens_left() == 0) ends[i] = step;
      // What is read takes part no more.
      if (ends[i] == step) sequences[i]->request->stream->Push(Started());
    }
  }
  const auto [first, last] = std::minmax_element(ends.begin(), ends.end());
  EXPECT_GE(*first, 5);
  EXPECT_LE(*last, *first + 1);
}

TEST(StepPlannerTest, WhereThereIsLittleToShareTheyTakeTurns) {
  EngineOptions options = Options();
  options.step_tokens = 20;
  StepPlanner planner(options);
  Sequences sequences;
  Add(sequences, {.tokens = 1000}, 6);
  for (int step = 0; step < 30; ++step) Step(planner, sequences);
  const std::vector<int64_t> read = Read(sequences);
  EXPECT_GE(*std::min_element(read.begin(), read.end()), 600 / 6 - 20);
  EXPECT_LE(*std::max_element(read.begin(), read.end()), 600 / 6 + 20);
}

TEST(StepPlannerTest, ReadersGetEquallyManyTokensWhateverATokenCosts) {
  for (Machine& machine : Machines()) {
    StepPlanner planner(Options());
    Sequences sequences = Decoders(8);
    Add(sequences, {.priority = Priority::kLow, .tokens = 100'000, .scored = true});
    Add(sequences, {.priority = Priority::kLow, .tokens = 100'000});
    for (int i = 0; i < 300; ++i) {
      const StepPlan plan = Step(planner, sequences);
      planner.Observe(plan.rows, machine.Seconds(plan.rows));
    }
    const auto scored = static_cast<double>(sequences[8]->tokens_read);
    EXPECT_NEAR(scored / static_cast<double>(sequences[9]->tokens_read), 1, 0.05);
  }
}

TEST(StepPlannerTest, WhoComesLaterCatchesUpWithNothing) {
  EngineOptions options = Options();
  options.step_tokens = 20;
  StepPlanner planner(options);
  Sequences sequences;
  Add(sequences, {.tokens = 10'000});
  for (int step = 0; step < 100; ++step) Step(planner, sequences);
  Add(sequences, {.tokens = 10'000});
  for (int step = 0; step < 100; ++step) Step(planner, sequences);
  EXPECT_NEAR(static_cast<double>(sequences[1]->tokens_read), 1000, 20);
}

TEST(StepPlannerTest, AShortPromptLeavesTheRestOfItsPartToTheOthers) {
  StepPlanner planner(Options());
  Sequences sequences;
  Add(sequences, {.tokens = 20});
  Add(sequences, {.tokens = 4000});
  EXPECT_EQ(Step(planner, sequences).rows.reading, 512);
  EXPECT_EQ(Read(sequences), (std::vector<int64_t>{20, 492}));
}

TEST(StepPlannerTest, OnePromptTakesAtMostItsChunkWhileOthersWait) {
  EngineOptions options = Options();
  options.prompt_chunk_tokens = 7;
  StepPlanner planner(options);
  Sequences sequences;
  Add(sequences, {.tokens = 100}, 2);
  Step(planner, sequences);
  EXPECT_EQ(Read(sequences), (std::vector<int64_t>{7, 7}));
}

// Tokens of low and of all priorities after `steps` steps in which both want everything.
std::pair<int64_t, int64_t> ReadUnderSaturation(int decoders, double share, int steps) {
  EngineOptions options = Options();
  options.low_priority_share = share;
  StepPlanner planner(options);
  Sequences sequences = Decoders(decoders);
  Add(sequences, {.tokens = 100'000}, 3);
  Add(sequences, {.priority = Priority::kLow, .tokens = 100'000}, 5);
  Machine machine = Machines()[0];
  for (int i = 0; i < steps; ++i) {
    const StepPlan plan = Step(planner, sequences);
    planner.Observe(plan.rows, machine.Seconds(plan.rows));
  }
  const std::vector<int64_t> read = Read(sequences);
  const auto sum = [&](auto begin, auto end) { return std::accumulate(begin, end, int64_t{0}); };
  return {sum(read.end() - 5, read.end()), sum(read.begin(), read.end())};
}

TEST(StepPlannerTest, LowPriorityGetsItsShareOfWhatIsRead) {
  for (const int decoders : {0, 1, 8}) {
    for (const double share : {0.1, 0.2, 0.5}) {
      const auto [low, all] = ReadUnderSaturation(decoders, share, 200);
      EXPECT_NEAR(static_cast<double>(low) / static_cast<double>(all), share, 0.02)
          << decoders << " decoding";
    }
  }
}

TEST(StepPlannerTest, WhatOneLevelDoesNotNeedTheOtherGets) {
  StepPlanner planner(Options());
  Sequences sequences;
  Add(sequences, {.tokens = 30});
  Add(sequences, {.priority = Priority::kLow, .tokens = 4000});
  Step(planner, sequences);
  EXPECT_EQ(Read(sequences), (std::vector<int64_t>{30, 482}));
  sequences.clear();
  Add(sequences, {.tokens = 4000});
  Add(sequences, {.priority = Priority::kLow, .tokens = 30});
  Step(planner, sequences);
  EXPECT_EQ(Read(sequences), (std::vector<int64_t>{482, 30}));
}

struct Beside {
  // Of the time of a step that only decodes: the 99th percentile and the mean.
  double p99 = 0;
  double mean = 0;
  // Part of the time that went into reading.
  double reading = 0;
};

// Steps of 8 decoding sequences with something long to read beside them, after a warm-up.
Beside ReadBeside(Machine machine, const PlannedJobOptions& reader) {
  EngineOptions options = Options();
  options.low_priority_slowdown = 2.2;
  StepPlanner planner(options);
  Sequences sequences = Decoders(8);
  for (int i = 0; i < 30; ++i) {
    const StepPlan plan = Step(planner, sequences);
    planner.Observe(plan.rows, machine.Measure(plan.rows));
  }
  Add(sequences, reader);
  const double alone = machine.Seconds({8, 0, 0});
  std::vector<double> seconds;
  for (int i = 0; i < 800; ++i) {
    const StepPlan plan = Step(planner, sequences);
    planner.Observe(plan.rows, machine.Measure(plan.rows));
    // The first steps find out what reading costs; a server does that before it opens its port.
    if (i >= 100) seconds.push_back(machine.Seconds(plan.rows) / alone);
  }
  std::sort(seconds.begin(), seconds.end());
  Beside beside;
  beside.p99 = seconds[seconds.size() * 99 / 100];
  beside.mean =
      std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
  beside.reading = 1 - 1 / beside.mean;
  return beside;
}

TEST(StepPlannerTest, APromptBesideDecodingTakesHalfOfTheTimeAndKeepsTheGapsWithinThreeTimes) {
  for (const Machine& machine : Machines()) {
    const Beside beside = ReadBeside(machine, {.tokens = 400'000});
    EXPECT_LE(beside.p99, 3);
    EXPECT_NEAR(beside.mean, 2.5, 0.25);
    EXPECT_GE(beside.reading, 0.5);
  }
}

TEST(StepPlannerTest, LowPriorityBesideDecodingStretchesStepsAsFarAsSaid) {
  for (const Machine& machine : Machines()) {
    for (const bool scored : {false, true}) {
      const Beside beside =
          ReadBeside(machine, {.priority = Priority::kLow, .tokens = 400'000, .scored = scored});
      // The third machine decodes in the time of a few rows: no less than four are read.
      EXPECT_LE(beside.p99, 2.4);
      EXPECT_NEAR(beside.mean, 2.2, 0.2);
    }
  }
}

TEST(StepPlannerTest, NoStepHasMoreRowsThanItMayWhateverIsAskedAndWhateverItTakes) {
  std::mt19937 random(5);
  const auto pick = [&](int count) { return static_cast<int>(random() % count); };
  for (int round = 0; round < 50; ++round) {
    EngineOptions options = Options();
    options.step_tokens = 24 + pick(100);
    options.prompt_chunk_tokens = 1 + pick(40);
    StepPlanner planner(options);
    Sequences sequences = Decoders(pick(24));
    for (int step = 0; step < 200; ++step) {
      if (pick(3) == 0) {
        Add(sequences, {.priority = pick(2) == 0 ? Priority::kNormal : Priority::kLow,
                        .tokens = 2 + pick(200),
                        .scored = pick(2) == 0});
      }
      const StepPlan plan = Step(planner, sequences);
      EXPECT_LE(plan.rows.decoding + plan.rows.reading, options.step_tokens);
      std::erase_if(sequences, [](const auto& sequence) {
        return sequence->reading.size() > 1 && sequence->tokens_left() == 0;
      });
      // From a microsecond to a minute.
      planner.Observe(plan.rows, std::pow(10, pick(80) / 10. - 6));
    }
  }
}

// Costs that were never observed make budgets that are an ulp short of a whole row.
TEST(StepPlannerTest, PartsOfARowThatAreKeptNeverMakeOneTooMany) {
  for (const Priority priority : {Priority::kNormal, Priority::kLow}) {
    for (int decoding = 1; decoding < 64; ++decoding) {
      StepPlanner planner(Options());
      for (int i = 0; i < 8; ++i) {
        Sequences sequences = Decoders(i % 2 == 0 ? decoding : 0);
        Add(sequences, {.priority = priority, .tokens = 1000}, 3);
        const StepPlan plan = Step(planner, sequences);
        ASSERT_LE(plan.rows.decoding + plan.rows.reading, 512) << decoding << " decoding";
      }
    }
  }
}

TEST(StepPlannerTest, ReadingGoesOnHoweverSlowItIs) {
  StepPlanner planner(Options());
  Machine machine(1e-5, 1e-6, 1, 0);
  Sequences sequences = Decoders(1);
  Add(sequences, {.tokens = 10'000});
  for (int i = 0; i < 100; ++i) {
    const StepPlan plan = Step(planner, sequences);
    planner.Observe(plan.rows, machine.Seconds(plan.rows));
  }
  EXPECT_GE(sequences[1]->tokens_read, 300);
}

TEST(StepPlannerTest, AMachineThatBecomesSlowerIsFollowed) {
  StepPlanner planner(Options());
  Sequences sequences = Decoders(8);
  Add(sequences, {.tokens = 1'000'000});
  const Machine fast(3e-4, 6e-5, 5e-5, 2e-5);
  const Machine slow(9e-4, 18e-5, 15e-5, 6e-5);
  StepPlan plan;
  for (int i = 0; i < 600; ++i) {
    plan = Step(planner, sequences);
    planner.Observe(plan.rows, (i < 200 ? fast : slow).Seconds(plan.rows));
    EXPECT_LE(slow.Seconds(plan.rows) / slow.Seconds({8, 0, 0}), 2.6) << "step " << i;
  }
  EXPECT_NEAR(planner.cost().Seconds(plan.rows), slow.Seconds(plan.rows),
              0.05 * slow.Seconds(plan.rows));
  EXPECT_NEAR(slow.Seconds(plan.rows) / slow.Seconds({8, 0, 0}), 2.5, 0.2);
}

TEST(StepCostTest, OneStepThatTookAHundredTimesAsLongHardlyCounts) {
  StepCost cost;
  const StepRows rows = {8, 16, 0};
  for (int i = 0; i < 200; ++i) {
    cost.Observe({8, 0, 0}, 4e-4);
    cost.Observe(rows, 1e-3);
  }
  EXPECT_NEAR(cost.Seconds(rows), 1e-3, 1e-5);
  EXPECT_NEAR(cost.Seconds({8, 0, 0}), 4e-4, 1e-5);
  cost.Observe(rows, 0.1);
  cost.Observe({8, 0, 0}, 0.1);
  EXPECT_LT(cost.Seconds(rows), 1.2e-3);
}

TEST(StepCostTest, StepsWithoutDecodingDoNotCount) {
  StepCost cost;
  cost.Observe({8, 0, 0}, 1e-3);
  const double before = cost.Seconds({8, 16, 4});
  cost.Observe({0, 512, 512}, 5);
  EXPECT_EQ(cost.Seconds({8, 16, 4}), before);
}

}  // namespace
}  // namespace scanserve::runtime
