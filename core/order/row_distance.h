// How far apart hidden states are: what a tour adds up.
//
// Rows are kept as float32, scaled so that one product of two rows gives their distance: n rows of
// d values take n * d * 4 bytes. Distances of all pairs are never held by this class.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/base/npy.h"

namespace scanserve::order {

enum class RowMetric {
  kAbsoluteCorrelation,  // 1 - |r|, r Pearson's correlation; 1 for rows that are constant
  kCorrelation,          // 1 - r, from 0 to 2
  kCosine,               // 1 - the cosine of the angle between rows, from 0 to 2
  kEuclid,               // the length of the difference
};

// Immutable. Thread-safe.
class RowDistances {
 public:
  // Of the rows `picked`, which are renumbered 0, 1, ..; `states` may go afterwards. A row with NaN
  // or infinities counts as constant: 0 in every place.
  RowDistances(const base::FloatMatrix& states, absl::Span<const int64_t> picked, RowMetric metric);

  int32_t rows() const { return rows_; }
  // No distance is larger.
  float Bound() const { return bound_; }

  float Between(int32_t a, int32_t b) const { return FromProduct(Product(Row(a), Row(b)), a, b); }

  // From the rows [begin, end) to all rows: [end - begin, rows()] float32, row-major, into `out`.
  void Block(int32_t begin, int32_t end, float* out) const;

 private:
  const float* Row(int32_t row) const {
    return values_.data() + static_cast<int64_t>(row) * stride_;
  }
  float Product(const float* a, const float* b) const;
  float FromProduct(float product, int32_t a, int32_t b) const;

  const RowMetric metric_;
  const int32_t rows_;
  const int64_t stride_;              // values of a row, filled up with zeros to a multiple of 16
  std::vector<float> values_;         // [rows, stride]
  std::vector<float> squared_norms_;  // kEuclid only
  float bound_ = 2;
};

// The sum of distances along `path`, in float64; with `closed` the way back to its start too.
double PathLength(const RowDistances& distances, absl::Span<const int32_t> path, bool closed);

}  // namespace scanserve::order
