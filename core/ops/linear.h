// Matrix products: y = x W^T + bias, behind one interface.
//
// Numerics id f32.k1 (MakePackedLinear): each output element is one chain of fused multiply-adds in
// float32 from k = 0 upwards, plus the bias. Its bits depend on its row of x, the weights and the
// bias alone: not on the other rows or their number, the row's position, threads, or instruction
// set.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/functional/function_ref.h"
#include "core/base/thread_pool.h"

namespace scanserve::ops {

// Of W: [out_features, in_features], both >= 1.
struct LinearShape {
  int64_t out_features;
  int64_t in_features;
};

// Writes row n of W, in_features floats, to `row`. Called once for each n, in ascending order,
// while the product is made.
using WeightRowReader = absl::FunctionRef<void(int64_t n, float* row)>;

// Strides are floats between rows. x and y must not overlap.
struct LinearCall {
  const float* x;  // [rows, in_features]
  int64_t x_stride;
  float* y;  // [rows, out_features]
  int64_t y_stride;
  int64_t rows;
  // Adds the finished product to y instead of storing it.
  bool accumulate;
};

// Immutable and thread-safe; owns its weights.
class Linear {
 public:
  virtual ~Linear() = default;
  Linear(const Linear&) = delete;
  Linear& operator=(const Linear&) = delete;

  const LinearShape& shape() const { return shape_; }
  virtual void Run(const LinearCall& call, base::ThreadPool& pool) const = 0;
  // Writes row n of W as it is held, in_features floats: the embedding of token n under a tied
  // head.
  virtual void CopyWeightRow(int64_t n, float* row) const = 0;
  // Writes the bias, out_features floats; zeros where there is none.
  virtual void CopyBias(float* bias) const = 0;
  // Memory that weights and bias take.
  virtual int64_t weight_bytes() const = 0;

 protected:
  explicit Linear(LinearShape shape) : shape_(shape) {}

 private:
  const LinearShape shape_;
};

// What makes a product from its weights. `bias` is [out_features] or null, and is copied.
using LinearFactory = std::function<std::unique_ptr<Linear>(
    LinearShape shape, WeightRowReader weight, const float* bias)>;

// The product of numerics id f32.k1.
std::unique_ptr<Linear> MakePackedLinear(LinearShape shape, WeightRowReader weight,
                                         const float* bias);

}  // namespace scanserve::ops
