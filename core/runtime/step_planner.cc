#include "core/runtime/step_planner.h"

#include <algorithm>
#include <cmath>

namespace scanserve::runtime {
namespace {

// Fewer tokens of a reader are not worth a place in the batch, while others can wait their turn.
constexpr double kSmallestChunk = 16;
// One step in so many only decodes, while something is read.
constexpr int64_t kOnlyDecodingInterval = 16;
// Reading goes on, however slow it seems.
constexpr double kSmallestBudget = 4;

bool IsDecoding(const Sequence& sequence) {
  return sequence.reading.size() == 1 && !sequence.reading.layer_by_layer();
}

Priority PriorityOf(const Sequence& sequence) { return sequence.job->basics().priority; }

// Rows that `readers` can still use, at least.
double Wanted(const std::vector<Sequence*>& readers) {
  int64_t rows = 0;
  for (const Sequence* sequence : readers) {
    rows += sequence->reading.layer_by_layer() ? sequence->reading.size()
                                               : sequence->max_chunk_tokens();
  }
  return static_cast<double>(rows);
}

// The pass layer by layer that goes on, and for whom. One that has begun holds a residual of its
// whole prompt: it is finished first, so that there is never more than one, and a low one hurries
// when a normal one waits for it.
struct LayerByLayerTurn {
  Sequence* sequence = nullptr;
  Priority priority = Priority::kLow;
};

LayerByLayerTurn NextLayerByLayer(const std::vector<std::unique_ptr<Sequence>>& running,
                                  absl::Time now) {
  LayerByLayerTurn turn;
  bool begun = false;
  for (const auto& sequence : running) {
    if (!sequence->reading.layer_by_layer()) continue;
    const bool has_room = sequence->request->HasRoom(now);
    const bool holds_residual = sequence->residual.size() > 0;
    const Priority priority = PriorityOf(*sequence);
    if (holds_residual) {
      begun = true;
      turn.sequence = has_room ? sequence.get() : nullptr;
    } else if (!begun && has_room &&
               (turn.sequence == nullptr ||
                (priority == Priority::kNormal && turn.priority == Priority::kLow))) {
      turn.sequence = sequence.get();
    }
    if (has_room && priority == Priority::kNormal) turn.priority = Priority::kNormal;
  }
  return turn;
}

}  // namespace

StepPlanner::StepPlanner(const EngineOptions& options)
    : step_tokens_(options.step_tokens),
      prompt_chunk_tokens_(options.prompt_chunk_tokens),
      low_share_(options.low_priority_share),
      prompt_slowdown_(options.prompt_slowdown),
      low_priority_slowdown_(options.low_priority_slowdown),
      // The first that could read only decodes.
      steps_since_only_decoding_(kOnlyDecodingInterval) {}

StepPlan StepPlanner::Plan(const std::vector<std::unique_ptr<Sequence>>& running, absl::Time now) {
  StepPlan plan;
  Readers normal;
  Readers low;
  const auto readers = [&](Priority priority) -> Readers& {
    return priority == Priority::kNormal ? normal : low;
  };
  for (const auto& sequence : running) {
    if (sequence->reading.layer_by_layer() || !sequence->request->HasRoom(now)) continue;
    if (IsDecoding(*sequence)) {
      plan.together.push_back({sequence.get(), 1});
      ++plan.rows.decoding;
    } else {
      readers(PriorityOf(*sequence)).push_back(sequence.get());
    }
  }
  const LayerByLayerTurn layer_by_layer = NextLayerByLayer(running, now);
  if (layer_by_layer.sequence != nullptr) {
    readers(layer_by_layer.priority).push_back(layer_by_layer.sequence);
  }
  const bool reads = !normal.empty() || !low.empty();
  if (!reads) steps_since_only_decoding_ = 0;
  if (!reads || (plan.rows.decoding > 0 && OnlyDecodes())) return plan;

  left_over_ += ReadingBudget(plan.rows.decoding, !normal.empty());
  const double budget = std::floor(left_over_);
  left_over_ -= budget;
  const double for_low = LowShare(budget, normal, low);
  const double spent = Fill(normal, normal_time_, budget - for_low, plan);
  const bool normal_wants_all = Wanted(normal) >= budget - for_low;
  const double spent_low = Fill(low, low_time_, normal_wants_all ? for_low : budget - spent, plan);
  low_credit_ = std::clamp(low_credit_ - spent_low, 0.0, budget);
  return plan;
}

bool StepPlanner::OnlyDecodes() {
  if (++steps_since_only_decoding_ < kOnlyDecodingInterval) return false;
  steps_since_only_decoding_ = 0;
  return true;
}

double StepPlanner::LowShare(double budget, const Readers& normal, const Readers& low) {
  if (low.empty()) {
    low_credit_ = 0;
    return 0;
  }
  if (normal.empty()) return budget;
  low_credit_ += low_share_ * budget;
  return std::min({std::floor(low_credit_), budget, Wanted(low)});
}

double StepPlanner::ReadingBudget(int64_t decoding, bool normal_reads) const {
  const auto most = static_cast<double>(step_tokens_ - decoding);
  if (decoding == 0) return most;
  const double slowdown = normal_reads ? prompt_slowdown_ : low_priority_slowdown_;
  const double seconds = (slowdown - 1) * cost_.Seconds({decoding, 0, 0});
  return std::clamp(seconds / cost_.reading_row(), std::min(kSmallestBudget, most), most);
}

double StepPlanner::Fill(Readers& readers, int64_t& virtual_time, double budget, StepPlan& plan) {
  if (readers.empty()) return 0;
  const auto start_tag = [last = virtual_time](const Sequence* sequence) {
    return std::max(last, sequence->finish_tag);
  };
  std::stable_sort(readers.begin(), readers.end(), [&](const Sequence* a, const Sequence* b) {
    return start_tag(a) < start_tag(b);
  });
  virtual_time = start_tag(readers.front());
  double left = budget;
  // By what a token of each costs, so that all get as many.
  double waiting = 0;
  for (const Sequence* sequence : readers) waiting += NextTokenCost(*sequence, plan);
  for (Sequence* sequence : readers) {
    if (left < 1) break;
    const double cost = NextTokenCost(*sequence, plan);
    double share = std::max(left * cost / waiting, kSmallestChunk);
    if (left - share < kSmallestChunk) share = left;
    if (readers.size() > 1) share = std::min(share, static_cast<double>(prompt_chunk_tokens_));
    const int64_t read_before = plan.rows.reading;
    left -= AddReading(*sequence, share, plan);
    sequence->finish_tag = start_tag(sequence) + plan.rows.reading - read_before;
    waiting -= cost;
  }
  return budget - left;
}

double StepPlanner::TokenCost(const Sequence& sequence, int64_t k, const StepPlan& plan) const {
  // Without decoding sequences the budget is one of tokens.
  if (plan.rows.decoding == 0) return 1;
  const int64_t position = sequence.reading.positions[static_cast<size_t>(k)];
  return sequence.job->WantsLogits(position) ? 1 + cost_.scored_row() / cost_.reading_row() : 1;
}

double StepPlanner::NextTokenCost(const Sequence& sequence, const StepPlan& plan) const {
  return sequence.reading.layer_by_layer() ? 1 : TokenCost(sequence, sequence.tokens_read, plan);
}

double StepPlanner::AddReading(Sequence& sequence, double budget, StepPlan& plan) const {
  if (sequence.reading.layer_by_layer()) {
    plan.layer_by_layer = &sequence;
    plan.layer_by_layer_tokens = std::max<int64_t>(1, static_cast<int64_t>(budget));
    plan.rows.reading += plan.layer_by_layer_tokens;
    return static_cast<double>(plan.layer_by_layer_tokens);
  }
  // Whatever the costs say: no more rows than a step has.
  const int64_t most =
      std::min(sequence.max_chunk_tokens(), step_tokens_ - plan.rows.decoding - plan.rows.reading);
  if (most <= 0) return 0;
  Chunk chunk = {&sequence, 0};
  double spent = 0;
  while (chunk.tokens < most) {
    const int64_t k = sequence.tokens_read + chunk.tokens;
    const double cost = TokenCost(sequence, k, plan);
    if (chunk.tokens > 0 && spent + cost > budget) break;
    spent += cost;
    ++chunk.tokens;
    ++plan.rows.reading;
    plan.rows.scored +=
        sequence.job->WantsLogits(sequence.reading.positions[static_cast<size_t>(k)]) ? 1 : 0;
  }
  plan.together.push_back(chunk);
  return spent;
}

}  // namespace scanserve::runtime
