#include "client/scanorder/tour_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace scanserve::client {
namespace {

using testing::Each;
using testing::Le;

// Rows on a line, at 0, 1, 2, ..
base::FloatMatrix Line(int64_t rows) {
  base::FloatMatrix matrix{rows, 1, std::vector<float>(static_cast<size_t>(rows))};
  std::iota(matrix.values.begin(), matrix.values.end(), 0.0F);
  return matrix;
}

order::TourOptions Euclid() {
  order::TourOptions options;
  options.metric = order::RowMetric::kEuclid;
  return options;
}

TEST(TourFiguresTest, CountsHowFarTokensMove) {
  const TourFigures figures = DrawTour(Line(4), Euclid(), {0, 3, 2, 1});
  EXPECT_EQ(figures.median_move, 2);
  EXPECT_EQ(figures.largest_move, 2);
  EXPECT_EQ(figures.mean_move, 1);
  EXPECT_EQ(figures.moves.counts.front(), 2);
  EXPECT_EQ(figures.moves.counts.back(), 2);
}

TEST(TourFiguresTest, CountsStepsOfBothPathsInTheSameBins) {
  const TourFigures figures = DrawTour(Line(4), Euclid(), {0, 3, 2, 1});
  EXPECT_EQ(figures.natural_steps.bin_width, figures.tour_steps.bin_width);
  EXPECT_NEAR(figures.tour_steps.bin_width * 40, 3, 1e-6);
  EXPECT_EQ(figures.tour_steps.counts.back(), 1);
  EXPECT_EQ(std::accumulate(figures.natural_steps.counts.begin(),
                            figures.natural_steps.counts.end(), int64_t{0}),
            3);
}

TEST(TourFiguresTest, DrawsTheDistancesOfEachPath) {
  const TourFigures figures = DrawTour(Line(3), Euclid(), {0, 2, 1});
  ASSERT_EQ(figures.natural.size, 3);
  EXPECT_NEAR(figures.natural.values[1], 1, 1e-3);
  EXPECT_NEAR(figures.natural.values[2], 2, 1e-3);
  EXPECT_NEAR(figures.tour.values[1], 2, 1e-3);
  EXPECT_NEAR(figures.tour.values[2], 1, 1e-3);
}

TEST(TourFiguresTest, AveragesBlocksOfLongPaths) {
  const base::FloatMatrix rows = Line(256);
  std::vector<int32_t> natural(256);
  std::iota(natural.begin(), natural.end(), 0);
  const TourFigures figures = DrawTour(rows, Euclid(), natural);
  ASSERT_EQ(figures.natural.size, 128);
  // Rows 0 and 1 to themselves: 0, 1, 1, 0. To the last two: 254, 255, 253, 254.
  EXPECT_NEAR(figures.natural.values[0], 0.5, 1e-2);
  EXPECT_NEAR(figures.natural.values[127], 254, 1e-2);
  EXPECT_THAT(figures.natural.values, Each(Le(255)));
}

TEST(TourFiguresTest, DrawsASingleRow) {
  const TourFigures figures = DrawTour(Line(1), Euclid(), {0});
  EXPECT_EQ(figures.natural.size, 1);
  EXPECT_EQ(figures.largest_move, 0);
}

}  // namespace
}  // namespace scanserve::client
