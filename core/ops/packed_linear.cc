// The product of numerics id f32.k1 over packed weights.
//
// W is held in panels of 64 output columns, [panels][in_features][64], the last one narrower: a
// whole number of groups of 16 columns, padded with zeros. One k of a panel is four cache lines, so
// one row of x reads the weights as one stream, and many rows find the panel in the second-level
// cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/ops/packed_linear.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "core/ops/vector_math-inl.h"

#ifndef SCANSERVE_CORE_OPS_PACKED_LINEAR_ONCE_
#define SCANSERVE_CORE_OPS_PACKED_LINEAR_ONCE_

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/check.h"
#include "core/ops/linear.h"

namespace scanserve::ops {
namespace {

inline constexpr int64_t kColumnGroup = 16;
inline constexpr int64_t kPanelGroups = 4;
inline constexpr int64_t kPanelColumns = kColumnGroup * kPanelGroups;

// A block of rows times neighbouring columns of one panel.
struct PanelCall {
  const float* weight;    // [depth, ..] of the panel, from the first of the columns
  int64_t weight_stride;  // the panel's columns
  int64_t depth;
  const float* bias;  // from the first of the columns, padded to whole groups
  const float* x;
  int64_t x_stride;
  float* y;  // from the first of the columns
  int64_t y_stride;
  int64_t rows;
  int64_t columns;  // that exist, at most a panel
  bool accumulate;
};

}  // namespace
}  // namespace scanserve::ops
#endif  // once

HWY_BEFORE_NAMESPACE();
namespace scanserve::ops {
namespace HWY_NAMESPACE {
namespace {

// Accumulators, one k of the weights and one element of x must fit the registers: 6 x 64 takes 29
// of AVX-512's 32, 6 x 16 takes 15 of AVX2's 16.
#if HWY_TARGET == HWY_SCALAR
inline constexpr int64_t kTileRows = 1;
inline constexpr int64_t kTileGroups = 1;
#elif HWY_TARGET == HWY_AVX2
inline constexpr int64_t kTileRows = 6;
inline constexpr int64_t kTileGroups = 1;
#else
inline constexpr int64_t kTileRows = 6;
inline constexpr int64_t kTileGroups = kPanelGroups;
#endif
// A single row has the registers for a whole panel, which it reads as one stream.
inline constexpr int64_t kSingleRowGroups = HWY_TARGET == HWY_SCALAR ? 1 : kPanelGroups;

HWY_INLINE void StoreVector(Vec sum, const float* bias, bool accumulate, float* y) {
  const F32 d;
  const Vec product = hn::Add(sum, hn::Load(d, bias));
  hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, y), product) : product, d, y);
}

// The last columns of a matrix whose width is no multiple of a group.
HWY_INLINE void StoreColumns(const float* sums, const float* bias, int64_t columns, bool accumulate,
                             float* y) {
  for (int64_t i = 0; i < columns; ++i) {
    const float product = sums[i] + bias[i];
    y[i] = accumulate ? y[i] + product : product;
  }
}

// One accumulator per output element, k ascending over the whole depth: what makes the bits
// independent of kRows, kGroups and the vectors' length.
template <int kRows, int kGroups>
void Tile(const PanelCall& call, int64_t row, int64_t first_group) {
  constexpr int kVectors = kGroups * static_cast<int>(kGroupVectors);
  const F32 d;
  const int64_t first_column = first_group * kColumnGroup;
  const float* HWY_RESTRICT weight = call.weight + first_column;
  const float* HWY_RESTRICT x = call.x + row * call.x_stride;
  const int64_t x_stride = call.x_stride;
  Vec sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  for (int64_t k = 0; k < call.depth; ++k, weight += call.weight_stride) {
    Vec w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = hn::Load(d, weight + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Vec a = hn::Set(d, x[r * x_stride + k]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Fma(a, w[v], sums[r][v]);
    }
  }
  const float* bias = call.bias + first_column;
  const int64_t columns = call.columns - first_column;
  for (int r = 0; r < kRows; ++r) {
    float* y = call.y + (row + r) * call.y_stride + first_column;
    if (columns >= kGroups * kColumnGroup) {
      for (int v = 0; v < kVectors; ++v) {
        StoreVector(sums[r][v], bias + v * kLanes, call.accumulate, y + v * kLanes);
      }
    } else {
      HWY_ALIGN float row_sums[kGroups * kColumnGroup];
      for (int v = 0; v < kVectors; ++v) hn::Store(sums[r][v], d, row_sums + v * kLanes);
      StoreColumns(row_sums, bias, columns, call.accumulate, y);
    }
  }
}

using TileFunction = void (*)(const PanelCall&, int64_t row, int64_t first_group);

template <int kRows>
TileFunction TileOfRows(int64_t groups) {
  if constexpr (kTileGroups == 1 && kRows > 1) {
    return &Tile<kRows, 1>;
  } else {
    switch (groups) {
      case 1:
        return &Tile<kRows, 1>;
      case 2:
        return &Tile<kRows, 2>;
      case 3:
        return &Tile<kRows, 3>;
      default:
        return &Tile<kRows, 4>;
    }
  }
}

TileFunction ChooseTile(int64_t rows, int64_t groups) {
  switch (rows) {
    case 1:
      return TileOfRows<1>(groups);
    case 2:
      return TileOfRows<2>(groups);
    case 3:
      return TileOfRows<3>(groups);
    case 4:
      return TileOfRows<4>(groups);
    case 5:
      return TileOfRows<5>(groups);
    default:
      return TileOfRows<6>(groups);
  }
}

void RunPanel(const PanelCall& call) {
  const int64_t groups = (call.columns + kColumnGroup - 1) / kColumnGroup;
  const int64_t blocks = (call.rows + kTileRows - 1) / kTileRows;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = call.rows * block / blocks;
    const int64_t rows = call.rows * (block + 1) / blocks - begin;
    const int64_t at_once = rows == 1 ? kSingleRowGroups : kTileGroups;
    for (int64_t group = 0; group < groups; group += at_once) {
      ChooseTile(rows, std::min(at_once, groups - group))(call, begin, group);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace scanserve::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanserve::ops {
namespace {

HWY_EXPORT(RunPanel);

// Rows that threads take at once: as many as a tile of most targets.
constexpr int64_t kBlockRows = 6;
// Products that are worth a range of their own: some microseconds.
constexpr int64_t kMinRangeProducts = int64_t{1} << 17;

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

class PackedLinear final : public Linear {
 public:
  PackedLinear(LinearShape shape, WeightRowReader weight, const float* bias);
  void Run(const LinearCall& call, base::ThreadPool& pool) const override;
  void CopyWeightRow(int64_t n, float* row) const override;
  void CopyBias(float* bias) const override {
    std::copy(bias_.data(), bias_.data() + shape().out_features, bias);
  }
  int64_t weight_bytes() const override {
    return static_cast<int64_t>((weight_.size() + bias_.size()) * sizeof(float));
  }

 private:
  int64_t groups() const { return padded_columns_ / kColumnGroup; }
  int64_t PanelWidth(int64_t panel) const {
    return std::min(kPanelColumns, padded_columns_ - panel * kPanelColumns);
  }
  // Of W[n][0]; W[n][k] stands k * PanelWidth further.
  int64_t WeightOffset(int64_t n) const {
    return n / kPanelColumns * kPanelColumns * shape().in_features + n % kPanelColumns;
  }
  // The given rows times the column groups [begin, end).
  void RunGroups(const LinearCall& call, int64_t first_row, int64_t rows, int64_t begin,
                 int64_t end) const;

  const int64_t padded_columns_;
  base::AlignedBuffer weight_;
  base::AlignedBuffer bias_;  // zeros where there is none
};

PackedLinear::PackedLinear(LinearShape shape, WeightRowReader weight, const float* bias)
    : Linear(shape),
      padded_columns_(RoundUp(shape.out_features, kColumnGroup)),
      weight_(static_cast<size_t>(padded_columns_ * shape.in_features)),
      bias_(static_cast<size_t>(padded_columns_)) {
  SCANSERVE_CHECK(shape.out_features >= 1 && shape.in_features >= 1);
  std::vector<float> row(static_cast<size_t>(shape.in_features));
  for (int64_t n = 0; n < shape.out_features; ++n) {
    weight(n, row.data());
    const int64_t width = PanelWidth(n / kPanelColumns);
    float* target = weight_.data() + WeightOffset(n);
    for (int64_t k = 0; k < shape.in_features; ++k) {
      target[k * width] = row[static_cast<size_t>(k)];
    }
  }
  if (bias != nullptr) std::copy(bias, bias + shape.out_features, bias_.data());
}

void PackedLinear::CopyWeightRow(int64_t n, float* row) const {
  const int64_t width = PanelWidth(n / kPanelColumns);
  const float* source = weight_.data() + WeightOffset(n);
  for (int64_t k = 0; k < shape().in_features; ++k) row[k] = source[k * width];
}

void PackedLinear::Run(const LinearCall& call, base::ThreadPool& pool) const {
  if (call.rows <= 0) return;
  const int64_t blocks = (call.rows + kBlockRows - 1) / kBlockRows;
  const int64_t group_products = call.rows * shape().in_features * kColumnGroup;
  if (blocks == 1) {
    const int64_t smallest_range = std::max(kPanelGroups, kMinRangeProducts / group_products);
    pool.ParallelFor(groups(), smallest_range, [&](int64_t begin, int64_t end) {
      RunGroups(call, 0, call.rows, begin, end);
    });
    return;
  }
  // The blocks of one panel beside each other, so that its weights stay in the cache.
  const int64_t panels = (groups() + kPanelGroups - 1) / kPanelGroups;
  const int64_t block_products = group_products * std::min(groups(), kPanelGroups) / blocks;
  const int64_t smallest_range = std::max<int64_t>(1, kMinRangeProducts / block_products);
  pool.ParallelFor(panels * blocks, smallest_range, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t panel = begin / blocks;
      const int64_t next = std::min(end, (panel + 1) * blocks);
      const int64_t first_row = call.rows * (begin - panel * blocks) / blocks;
      const int64_t end_row = call.rows * (next - panel * blocks) / blocks;
      const int64_t group = panel * kPanelGroups;
      RunGroups(call, first_row, end_row - first_row, group,
                std::min(groups(), group + kPanelGroups));
      begin = next;
    }
  });
}

void PackedLinear::RunGroups(const LinearCall& call, int64_t first_row, int64_t rows, int64_t begin,
                             int64_t end) const {
  const auto run_panel = HWY_DYNAMIC_DISPATCH(RunPanel);
  while (begin < end) {
    const int64_t panel = begin / kPanelGroups;
    const int64_t next = std::min(end, (panel + 1) * kPanelGroups);
    const int64_t column = begin * kColumnGroup;
    run_panel({.weight = weight_.data() + WeightOffset(column),
               .weight_stride = PanelWidth(panel),
               .depth = shape().in_features,
               .bias = bias_.data() + column,
               .x = call.x + first_row * call.x_stride,
               .x_stride = call.x_stride,
               .y = call.y + first_row * call.y_stride + column,
               .y_stride = call.y_stride,
               .rows = rows,
               .columns = std::min(next * kColumnGroup, shape().out_features) - column,
               .accumulate = call.accumulate});
    begin = next;
  }
}

}  // namespace

std::unique_ptr<Linear> MakePackedLinear(LinearShape shape, WeightRowReader weight,
                                         const float* bias) {
  return std::make_unique<PackedLinear>(shape, weight, bias);
}

}  // namespace scanserve::ops
#endif  // HWY_ONCE
