// How long a step of the engine takes, learned from the steps that it took.
#pragma once

#include <cstdint>

namespace scanserve::runtime {

// What a step computes.
struct StepRows {
  // One token each of sequences that decode.
  int64_t decoding = 0;
  // Tokens of prompts, scored windows and extractions.
  int64_t reading = 0;
  // Those of `reading` whose logits are needed.
  int64_t scored = 0;
};

// seconds = (fixed + decoding rows * a) + (reading rows * b + scored rows * c), all four positive.
//
// Steps that only decode teach the first two; what others take beyond those teaches the last two.
// An observation moves the logarithms of its two towards it, each by its part of the sum, as in the
// exponentiated gradient (Kivinen and Warmuth 1997), and counts for at most a factor of two: one
// step that the machine interrupted hardly moves them, and old ones are forgotten. It is meant for
// steps with decoding rows, between which latency is felt; others do not count.
class StepCost {
 public:
  double Seconds(const StepRows& rows) const { return Decoding(rows) + Reading(rows); }
  double reading_row() const { return reading_row_; }
  double scored_row() const { return scored_row_; }

  void Observe(const StepRows& rows, double seconds);

 private:
  double Decoding(const StepRows& rows) const {
    return fixed_ + static_cast<double>(rows.decoding) * decoding_row_;
  }
  double Reading(const StepRows& rows) const {
    return static_cast<double>(rows.reading) * reading_row_ +
           static_cast<double>(rows.scored) * scored_row_;
  }

  // Before the first observations, which scale them: the proportions of a small model.
  double fixed_ = 5e-4;
  double decoding_row_ = 1e-4;
  double reading_row_ = 1e-4;
  double scored_row_ = 3e-5;
  bool decoding_known_ = false;
  bool reading_known_ = false;
};

}  // namespace scanserve::runtime
