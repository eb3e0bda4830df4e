// Distances and neighbour lists against the formulas in float64, one pair at a time.
#include "core/order/row_distance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/order/neighbour_lists.h"
#include "core/order/random_source.h"

namespace scanserve::order {
namespace {

constexpr RowMetric kMetrics[] = {RowMetric::kAbsoluteCorrelation, RowMetric::kCorrelation,
                                  RowMetric::kCosine, RowMetric::kEuclid};

base::FloatMatrix RandomRows(int64_t rows, int64_t columns, uint64_t seed) {
  RandomSource random(seed);
  base::FloatMatrix matrix{rows, columns, {}};
  for (int64_t i = 0; i < rows * columns; ++i) {
    matrix.values.push_back(static_cast<float>(random.Uniform() * 3 - 1));
  }
  return matrix;
}

std::vector<int64_t> AllRows(const base::FloatMatrix& matrix) {
  std::vector<int64_t> rows(static_cast<size_t>(matrix.rows));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

double Mean(absl::Span<const float> row) {
  return std::accumulate(row.begin(), row.end(), 0.0) / static_cast<double>(row.size());
}

double Expected(absl::Span<const float> a, absl::Span<const float> b, RowMetric metric) {
  const bool centred = metric != RowMetric::kCosine && metric != RowMetric::kEuclid;
  const double mean_a = centred ? Mean(a) : 0, mean_b = centred ? Mean(b) : 0;
  double ab = 0, aa = 0, bb = 0, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i] - mean_a, y = b[i] - mean_b;
    ab += x * y;
    aa += x * x;
    bb += y * y;
    difference += (x - y) * (x - y);
  }
  if (metric == RowMetric::kEuclid) return std::sqrt(difference);
  const double r = ab / std::sqrt(aa * bb);
  return 1 - (metric == RowMetric::kAbsoluteCorrelation ? std::abs(r) : r);
}

TEST(RowDistanceTest, EqualsTheFormulaOfEachMetric) {
  const base::FloatMatrix rows = RandomRows(9, 37, 1);
  for (const RowMetric metric : kMetrics) {
    const RowDistances distances(rows, AllRows(rows), metric);
    std::vector<float> block(81);
    distances.Block(0, 9, block.data());
    for (int32_t a = 0; a < 9; ++a) {
      for (int32_t b = 0; b < 9; ++b) {
        if (a == b) continue;
        const double expected = Expected(rows.row(a), rows.row(b), metric);
        EXPECT_NEAR(distances.Between(a, b), expected, 2e-6);
        EXPECT_NEAR(block[static_cast<size_t>(a * 9 + b)], expected, 2e-6);
        EXPECT_EQ(distances.Between(a, b), distances.Between(b, a));
        EXPECT_LE(distances.Between(a, b), distances.Bound());
      }
    }
  }
}

TEST(RowDistanceTest, RowsWithoutACorrelationAreAtDistanceOne) {
  base::FloatMatrix rows = RandomRows(4, 5, 2);
  std::fill_n(rows.values.begin() + 5, 5, 0.3F);
  rows.values[10] = std::nanf("");
  rows.values[15] = std::numeric_limits<float>::infinity();
  const RowDistances distances(rows, AllRows(rows), RowMetric::kAbsoluteCorrelation);
  for (int32_t row = 1; row < 4; ++row) EXPECT_EQ(distances.Between(0, row), 1);
}

TEST(RowDistanceTest, MeasuresTheRowsThatWerePicked) {
  const base::FloatMatrix rows = RandomRows(6, 8, 3);
  const RowDistances all(rows, AllRows(rows), RowMetric::kCorrelation);
  const RowDistances picked(rows, {1, 4, 5}, RowMetric::kCorrelation);
  EXPECT_EQ(picked.rows(), 3);
  EXPECT_EQ(picked.Between(0, 2), all.Between(1, 5));
}

TEST(RowDistanceTest, AddsTheWayBackToAClosedPath) {
  const base::FloatMatrix rows = RandomRows(3, 8, 4);
  const RowDistances distances(rows, AllRows(rows), RowMetric::kEuclid);
  const double open = double{distances.Between(0, 2)} + distances.Between(2, 1);
  EXPECT_DOUBLE_EQ(PathLength(distances, {0, 2, 1}, false), open);
  EXPECT_DOUBLE_EQ(PathLength(distances, {0, 2, 1}, true), open + distances.Between(1, 0));
}

TEST(NeighbourListsTest, HoldTheNearestRowsInOrder) {
  // More rows than a block has, and not a multiple.
  const base::FloatMatrix rows = RandomRows(150, 6, 5);
  const RowDistances distances(rows, AllRows(rows), RowMetric::kAbsoluteCorrelation);
  base::ThreadPool threads(3);
  const NeighbourLists lists = FindNeighbours(distances, 7, threads);
  ASSERT_EQ(lists.per_row, 7);
  for (int32_t row = 0; row < 150; ++row) {
    std::vector<float> nearest;
    for (int32_t other = 0; other < 150; ++other) {
      if (other != row) nearest.push_back(distances.Between(row, other));
    }
    std::ranges::sort(nearest);
    for (size_t i = 0; i < 7; ++i) {
      EXPECT_NEAR(distances.Between(row, lists.Of(row)[i]), nearest[i], 1e-6) << row;
    }
  }
}

TEST(NeighbourListsTest, AreTheSameForAnyNumberOfThreads) {
  const base::FloatMatrix rows = RandomRows(200, 16, 6);
  const RowDistances distances(rows, AllRows(rows), RowMetric::kEuclid);
  base::ThreadPool one(1), four(4);
  const NeighbourLists lists = FindNeighbours(distances, 5, one);
  const NeighbourLists same = FindNeighbours(distances, 5, four);
  EXPECT_EQ(lists.rows, same.rows);
  EXPECT_EQ(lists.mean_distance, same.mean_distance);
  EXPECT_EQ(lists.distance_deviation, same.distance_deviation);
}

TEST(NeighbourListsTest, AreNoLongerThanThereAreOtherRows) {
  const base::FloatMatrix rows = RandomRows(3, 16, 7);
  const RowDistances distances(rows, AllRows(rows), RowMetric::kEuclid);
  base::ThreadPool threads(1);
  EXPECT_EQ(FindNeighbours(distances, 10, threads).per_row, 2);
}

}  // namespace
}  // namespace scanserve::order
