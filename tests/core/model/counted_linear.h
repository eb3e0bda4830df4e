// Products that count how often they run.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "core/ops/linear.h"

namespace scanserve::model {

// Of the products whose inner or outer size is an adapter's rank, and of all others.
struct LinearRuns {
  int small = 0;
  int full = 0;
  int64_t full_rows = 0;
};

class CountedLinear final : public ops::Linear {
 public:
  CountedLinear(std::unique_ptr<ops::Linear> linear, int64_t rank, LinearRuns& runs)
      : Linear(linear->shape()), linear_(std::move(linear)), rank_(rank), runs_(runs) {}

  void Run(const ops::LinearCall& call, base::ThreadPool& pool) const override {
    linear_->Run(call, pool);
    if (call.rows == 0) return;
    if (shape().in_features == rank_ || shape().out_features == rank_) {
      ++runs_.small;
    } else {
      ++runs_.full;
      runs_.full_rows += call.rows;
    }
  }
  void CopyWeightRow(int64_t n, float* row) const override { linear_->CopyWeightRow(n, row); }
  void CopyBias(float* bias) const override { linear_->CopyBias(bias); }
  int64_t weight_bytes() const override { return linear_->weight_bytes(); }

 private:
  const std::unique_ptr<ops::Linear> linear_;
  const int64_t rank_;
  LinearRuns& runs_;
};

// What makes them; `runs` outlives it and all that it makes. No other product has the rank as its
// inner or outer size.
inline ops::LinearFactory CountedLinears(int64_t rank, LinearRuns& runs) {
  return [rank, &runs](ops::LinearShape shape, ops::WeightRowReader weight, const float* bias) {
    return std::make_unique<CountedLinear>(ops::MakePackedLinear(shape, weight, bias), rank, runs);
  };
}

}  // namespace scanserve::model
