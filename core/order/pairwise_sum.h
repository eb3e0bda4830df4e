// The sum of a row, added up in the order in which NumPy's reductions add.
#pragma once

#include <cstddef>

namespace scanserve::order {

// Blocks of at most 128 values are summed by 8 accumulators; longer rows are halved first, at a
// multiple of 8. Rounding is then NumPy's to the bit for contiguous float and double rows.
template <typename T>
T PairwiseSum(const T* values, size_t count) {
  constexpr size_t kLanes = 8;
  constexpr size_t kBlock = 128;
  if (count > kBlock) {
    const size_t half = count / 2 / kLanes * kLanes;
    return PairwiseSum(values, half) + PairwiseSum(values + half, count - half);
  }
  T sum = 0;
  size_t i = 0;
  if (count >= kLanes) {
    T lane[kLanes];
    for (size_t j = 0; j < kLanes; ++j) lane[j] = values[j];
    for (i = kLanes; i + kLanes <= count; i += kLanes) {
      for (size_t j = 0; j < kLanes; ++j) lane[j] += values[i + j];
    }
    sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  }
  for (; i < count; ++i) sum += values[i];
  return sum;
}

}  // namespace scanserve::order
