#include "core/ops/torch_linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace scanserve::ops {
namespace {

// The seam for LibTorch's exceptions. Shapes come from our own code, so what is left is a bug or no
// memory: both end the process.
template <typename Function>
auto WithoutExceptions(const char* what, Function function) {
  try {
    const c10::InferenceMode inference_mode;
    return function();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "LibTorch failed to %s: %s\n", what, error.what());
    std::abort();
  }
}

at::Tensor View(const float* data, int64_t rows, int64_t columns, int64_t stride) {
  return at::from_blob(const_cast<float*>(data), {rows, columns}, {stride, 1}, at::kFloat);
}

class TorchLinear final : public Linear {
 public:
  TorchLinear(LinearShape shape, at::Tensor weight, at::Tensor bias)
      : Linear(shape), weight_(std::move(weight)), bias_(std::move(bias)) {}

  void Run(const LinearCall& call, base::ThreadPool&) const override {
    if (call.rows <= 0) return;
    WithoutExceptions("multiply", [&] {
      const at::Tensor x = View(call.x, call.rows, shape().in_features, call.x_stride);
      at::Tensor y = View(call.y, call.rows, shape().out_features, call.y_stride);
      if (call.accumulate) {
        y.add_(Product(x));
      } else if (bias_.defined()) {
        at::addmm_out(y, bias_, x, weight_.t());
      } else {
        at::mm_out(y, x, weight_.t());
      }
    });
  }

  void CopyWeightRow(int64_t n, float* row) const override {
    const float* source = weight_.const_data_ptr<float>() + n * shape().in_features;
    std::copy(source, source + shape().in_features, row);
  }

  void CopyBias(float* bias) const override {
    std::fill(bias, bias + shape().out_features, 0.0F);
    if (!bias_.defined()) return;
    const float* source = bias_.const_data_ptr<float>();
    std::copy(source, source + shape().out_features, bias);
  }

  int64_t weight_bytes() const override {
    return static_cast<int64_t>(weight_.nbytes() + (bias_.defined() ? bias_.nbytes() : 0));
  }

 private:
  at::Tensor Product(const at::Tensor& x) const {
    return bias_.defined() ? at::addmm(bias_, x, weight_.t()) : at::mm(x, weight_.t());
  }

  const at::Tensor weight_;  // [out_features, in_features]
  const at::Tensor bias_;    // [out_features], or undefined
};

}  // namespace

std::unique_ptr<Linear> MakeTorchLinear(LinearShape shape, WeightRowReader weight,
                                        const float* bias) {
  return WithoutExceptions("take weights", [&]() -> std::unique_ptr<Linear> {
    at::Tensor held = at::empty({shape.out_features, shape.in_features}, at::kFloat);
    float* data = held.mutable_data_ptr<float>();
    for (int64_t n = 0; n < shape.out_features; ++n) weight(n, data + n * shape.in_features);
    at::Tensor held_bias;
    if (bias != nullptr) {
      held_bias = at::empty({shape.out_features}, at::kFloat);
      std::copy(bias, bias + shape.out_features, held_bias.mutable_data_ptr<float>());
    }
    return std::make_unique<TorchLinear>(shape, std::move(held), std::move(held_bias));
  });
}

void SetTorchThreads(int threads) {
  WithoutExceptions("set its threads", [&] { at::set_num_threads(threads); });
}

}  // namespace scanserve::ops
