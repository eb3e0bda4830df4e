// Which tokens the next step takes.
//
// Every decoding sequence takes one token. What is read (prompts, scored windows, extractions)
// fills the step: up to the token budget when nothing decodes, else so far that the step is
// predicted to take a given number of times as long as one that only decodes. Now and then a step
// only decodes, so that it stays known how long that takes. Readers of one level of priority get
// equally many tokens, taking turns where there is little to share; when both levels read, the low
// one gets a fixed share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "core/runtime/batch_runner.h"
#include "core/runtime/engine.h"
#include "core/runtime/sequence.h"
#include "core/runtime/step_cost.h"

namespace scanserve::runtime {

struct StepPlan {
  // Read together through all layers.
  std::vector<Chunk> together;
  // A pass layer by layer that is taken further by about so many tokens; null when there is none.
  Sequence* layer_by_layer = nullptr;
  int64_t layer_by_layer_tokens = 0;
  StepRows rows;

  bool empty() const { return together.empty() && layer_by_layer == nullptr; }
};

// Belongs to the engine's thread.
class StepPlanner {
 public:
  explicit StepPlanner(const EngineOptions& options);

  // Sequences whose readers have no room are left out. The pointers are into `running`.
  StepPlan Plan(const std::vector<std::unique_ptr<Sequence>>& running, absl::Time now);
  // How long a step took: what the next plans are made from.
  void Observe(const StepRows& rows, double seconds) { cost_.Observe(rows, seconds); }

  const StepCost& cost() const { return cost_; }

 private:
  using Readers = std::vector<Sequence*>;

  // Whether this step, which decodes, is to read nothing.
  bool OnlyDecodes();
  // Rows that may be read besides `decoding` ones; a scored row counts for more.
  double ReadingBudget(int64_t decoding, bool normal_reads) const;
  // The part of `budget` that is the low level's.
  double LowShare(double budget, const Readers& normal, const Readers& low);
  // Spends `budget` on `readers` of one level, in turn; returns what was spent.
  double Fill(Readers& readers, int64_t& virtual_time, double budget, StepPlan& plan);
  // What the sequence's k-th token takes of a budget.
  double TokenCost(const Sequence& sequence, int64_t k, const StepPlan& plan) const;
  double NextTokenCost(const Sequence& sequence, const StepPlan& plan) const;
  // As much of one reading as `budget` buys; returns what was spent.
  double AddReading(Sequence& sequence, double budget, StepPlan& plan) const;

  const int64_t step_tokens_;
  const int64_t prompt_chunk_tokens_;
  const double low_share_;
  const double prompt_slowdown_;
  const double low_priority_slowdown_;
  StepCost cost_;
  // Of each level, by start-time fair queueing (Goyal, Vin and Cheng, 1996), in tokens: who has
  // read least since it came has the next turn.
  int64_t normal_time_ = 0;
  int64_t low_time_ = 0;
  int64_t steps_since_only_decoding_;
  // Parts of a row, kept for the next step.
  double left_over_ = 0;
  // Rows that the low level has not had of its share.
  double low_credit_ = 0;
};

}  // namespace scanserve::runtime
