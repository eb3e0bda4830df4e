// Log probabilities and probabilities from logits.
#pragma once

#include "absl/types/span.h"

namespace scanserve::ops {

// ln(sum of exp(logits)): log probability i is logits[i] less this. Summed in double, in one fixed
// order, so that equal logits give equal bits. NaN if any logit is NaN; -infinity stands for an
// excluded class; `logits` must not be empty. Thread-safe.
double LogSumExp(absl::Span<const float> logits);

// weights[i] = exp((logits[i] - largest) / temperature), zero below 2^-126, where `largest` is the
// largest logit, finite, and temperature > 0; returns their sum: probability i is weights[i] in
// parts of it. `weights` has as many elements as `logits`. Relative error of a weight: 2^-24 times
// the magnitude of its exponent, and 2e-7. Thread-safe.
double SoftmaxWeights(absl::Span<const float> logits, float largest, float temperature,
                      absl::Span<float> weights);

}  // namespace scanserve::ops
