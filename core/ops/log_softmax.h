// Log probabilities from logits.
#pragma once

#include "absl/types/span.h"

namespace scanserve::ops {

// ln(sum of exp(logits)): log probability i is logits[i] less this. Summed in double, in one fixed
// order, so that equal logits give equal bits. NaN if any logit is NaN; -infinity stands for an
// excluded class; `logits` must not be empty. Thread-safe.
double LogSumExp(absl::Span<const float> logits);

}  // namespace scanserve::ops
