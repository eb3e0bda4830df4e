// LibTorch's matrix product behind ops::Linear: the oracle of the tests and `--numerics torch`.
//
// Fast, but its bits depend on the number of rows and threads. The only code that includes
// LibTorch.
#pragma once

#include <memory>

#include "core/ops/linear.h"

namespace scanserve::ops {

// As MakePackedLinear. The product runs on LibTorch's own threads, not on the pool.
std::unique_ptr<Linear> MakeTorchLinear(LinearShape shape, WeightRowReader weight,
                                        const float* bias);

// Sets the number of threads of LibTorch's products in this process. Call it before the first one.
void SetTorchThreads(int threads);

}  // namespace scanserve::ops
