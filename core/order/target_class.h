// Which scored tokens are free of leaks when some layers scan in another than the natural order.
//
// The read set of position i holds what its output depends on: start with {i}; from the last layer
// to the first, a natural layer extends it to 0..max, a target layer to every position scanned no
// later than its latest-scanned member.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace scanserve::order {

// The class of scored token i+1, predicted at position i.
enum class TargetClass : uint8_t {
  kLeaked,     // position i has read token i+1 itself
  kLookahead,  // it has not, but some later token
  kCausal,     // it has read nothing after i: the only leak-free class
};

// The classes of tokens 1..L-1: result[i] is that of token i+1. `effective_order` is a permutation
// of 0..L-1; `target_layers` are below `num_layers`, in any order, none means all of them.
// Takes O(L * num_layers) time at most.
std::vector<TargetClass> ClassifyTargets(absl::Span<const int32_t> effective_order,
                                         absl::Span<const int> target_layers, int num_layers);

}  // namespace scanserve::order
