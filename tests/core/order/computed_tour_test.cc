// The methods against LKH (tests/golden/make_tours.py), against all permutations of few rows, and
// on random rows of any kind.
#include "core/order/computed_tour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/order/random_source.h"
#include "nlohmann/json.hpp"

namespace scanserve::order {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<TourMethod> kSearches = {TourMethod::kTwoOpt, TourMethod::kOrOpt,
                                           TourMethod::kOr3Opt, TourMethod::kGenetic};
constexpr RowMetric kMetrics[] = {RowMetric::kAbsoluteCorrelation, RowMetric::kCorrelation,
                                  RowMetric::kCosine, RowMetric::kEuclid};

// Far more time than a test takes: searches end by their iterations.
TourOptions Options(std::vector<TourMethod> methods, int64_t iterations) {
  TourOptions options;
  options.methods = std::move(methods);
  options.time_limit = absl::InfiniteDuration();
  options.iterations = iterations;
  return options;
}

base::FloatMatrix RandomRows(int64_t rows, int64_t columns, RandomSource& random) {
  base::FloatMatrix matrix{rows, columns, {}};
  for (int64_t i = 0; i < rows * columns; ++i) {
    matrix.values.push_back(static_cast<float>(random.Uniform() * 2 - 1));
  }
  return matrix;
}

double LengthOf(const base::FloatMatrix& rows, const TourOptions& options,
                absl::Span<const int32_t> order) {
  std::vector<int64_t> all(static_cast<size_t>(rows.rows));
  std::iota(all.begin(), all.end(), 0);
  return PathLength(RowDistances(rows, all, options.metric), order, options.closed);
}

bool IsPermutationFrom0(std::vector<int32_t> order, int64_t size) {
  if (order.empty() || order[0] != 0) return false;
  std::ranges::sort(order);
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != static_cast<int32_t>(i)) return false;
  }
  return static_cast<int64_t>(order.size()) == size;
}

// What each method may claim, whatever the rows are.
void ExpectSound(const ComputedTour& tour, const base::FloatMatrix& rows,
                 const TourOptions& options) {
  const double start = tour.methods[0].length;
  for (const MethodTour& method : tour.methods) {
    SCOPED_TRACE(std::string(TourMethodName(method.method)));
    EXPECT_TRUE(IsPermutationFrom0(method.order, rows.rows));
    EXPECT_NEAR(method.length, LengthOf(rows, options, method.order), 1e-5 * (1 + start));
    EXPECT_LE(method.length, start);
    EXPECT_LE(tour.report.tour_length, method.length);
    for (size_t i = 1; i < method.history.size(); ++i) {
      EXPECT_LT(method.history[i].length, method.history[i - 1].length);
      EXPECT_GE(method.history[i].elapsed, method.history[i - 1].elapsed);
    }
    EXPECT_NEAR(method.history.back().length, method.length, 1e-5 * (1 + start));
  }
}

TEST(ComputedTourTest, IsAlwaysAPermutationNoLongerThanTheNearestNeighbourTour) {
  RandomSource random(11);
  for (int round = 0; round < 120; ++round) {
    base::FloatMatrix rows = RandomRows(1 + random.Below(40), 1 + random.Below(12), random);
    // Equal, constant and broken rows.
    for (int64_t row = 1; row < rows.rows; ++row) {
      float* values = rows.values.data() + row * rows.columns;
      const int32_t kind = random.Below(12);
      if (kind == 0) std::copy_n(values - rows.columns, rows.columns, values);
      if (kind == 1) std::fill_n(values, rows.columns, 0.5F);
      if (kind == 2) values[0] = std::numeric_limits<float>::quiet_NaN();
    }
    TourOptions options = Options(kSearches, 40);
    options.metric = kMetrics[random.Below(4)];
    options.closed = random.Below(2) == 0;
    options.seed = round;
    options.threads = 1 + random.Below(3);
    SCOPED_TRACE(round);
    ExpectSound(ComputeTour(rows, options).value(), rows, options);
  }
}

TEST(ComputedTourTest, FindsTheShortestOfAllPathsThroughFewRows) {
  RandomSource random(12);
  for (int round = 0; round < 20; ++round) {
    const base::FloatMatrix rows = RandomRows(8, 5, random);
    TourOptions options = Options({TourMethod::kOr3Opt, TourMethod::kGenetic}, 2000);
    options.closed = round % 2 == 0;
    options.metric = kMetrics[round % 4];
    std::vector<int32_t> path(8);
    std::iota(path.begin(), path.end(), 0);
    double shortest = LengthOf(rows, options, path);
    while (std::next_permutation(path.begin() + 1, path.end())) {
      shortest = std::min(shortest, LengthOf(rows, options, path));
    }
    const ComputedTour tour = ComputeTour(rows, options).value();
    for (const MethodTour& method : tour.methods) {
      if (method.method == TourMethod::kNearestNeighbour) continue;
      EXPECT_NEAR(method.length, shortest, 1e-5) << TourMethodName(method.method) << round;
    }
  }
}

class GoldenTourTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = SCANSERVE_SOURCE_DIR "/tests/golden/tours/";
    states_ = base::ReadNpyFloatMatrix(folder + "states.npy", 1 << 24).value();
    lengths_ = nlohmann::json::parse(base::ReadFile(folder + "lengths.json", 1 << 16).value());
  }

  double Golden(size_t number, const char* name) const { return lengths_.at(number).at(name); }

  base::FloatMatrix states_;
  nlohmann::json lengths_;  // of the 512 rows of the reference method, and of all
};

TEST_F(GoldenTourTest, ComesWithinOnePercentOfLkhOn512Rows) {
  const auto tour = ComputeTour(states_, Options(kSearches, 4000)).value();
  EXPECT_EQ(tour.report.rows_used, 512);
  EXPECT_NEAR(tour.report.natural_length, Golden(0, "natural"), 1e-3);
  EXPECT_NEAR(tour.methods[0].length, Golden(0, "nearest_neighbour"), 1e-3);
  EXPECT_LE(tour.report.tour_length, Golden(0, "lkh") * 1.01);
  EXPECT_EQ(tour.method, TourMethod::kOr3Opt);
  // Each step from method to method is worth its name.
  EXPECT_LT(tour.methods[1].length, tour.methods[0].length * 0.99);
  EXPECT_LE(tour.methods[2].length, tour.methods[1].length);
  EXPECT_LE(tour.methods[4].length, Golden(0, "lkh") * 1.02);
}

TEST_F(GoldenTourTest, ComesWithinTwoPercentOfLkhOn2000Rows) {
  TourOptions options = Options({TourMethod::kOr3Opt}, 10'000);
  options.max_rows = kMaxSearchRows;
  const auto tour = ComputeTour(states_, options).value();
  EXPECT_EQ(tour.report.rows_used, 2000);
  EXPECT_NEAR(tour.methods[0].length, Golden(1, "nearest_neighbour"), 1e-2);
  EXPECT_LE(tour.report.tour_length, Golden(1, "lkh") * 1.02);
}

TEST_F(GoldenTourTest, IsTheReferenceTourUnlessAnotherMethodIsShorter) {
  const TourReport reference = CorrelationTour(states_).value();
  const ComputedTour tour = ComputeTour(states_, TourOptions()).value();
  EXPECT_EQ(tour.report.order, reference.order);
  EXPECT_EQ(tour.report.tour_length, reference.tour_length);
  EXPECT_EQ(tour.report.mean_distance, reference.mean_distance);
  const ComputedTour others = ComputeTour(states_, Options({TourMethod::kOrOpt}, 0)).value();
  EXPECT_EQ(others.methods[0].order, reference.order);
  EXPECT_NEAR(others.report.mean_distance, reference.mean_distance, 1e-6);
  EXPECT_NEAR(others.report.distance_deviation, reference.distance_deviation, 1e-6);
}

TEST_F(GoldenTourTest, NeverGetsLongerWithMoreIterations) {
  for (const TourMethod method : {TourMethod::kOr3Opt, TourMethod::kGenetic}) {
    double before = std::numeric_limits<double>::infinity();
    for (const int64_t iterations : {1, 10, 50, 200, 800}) {
      const double length =
          ComputeTour(states_, Options({method}, iterations)).value().methods[1].length;
      EXPECT_LE(length, before) << TourMethodName(method) << " " << iterations;
      before = length;
    }
  }
}

TEST_F(GoldenTourTest, IsTheSameForASeedAndAnotherForAnother) {
  for (const TourMethod method : {TourMethod::kOr3Opt, TourMethod::kGenetic}) {
    TourOptions options = Options({method}, 100);
    options.threads = 2;
    const auto order = ComputeTour(states_, options).value().report.order;
    EXPECT_EQ(ComputeTour(states_, options).value().report.order, order);
    options.seed = 1;
    EXPECT_NE(ComputeTour(states_, options).value().report.order, order);
  }
}

TEST_F(GoldenTourTest, EndsByTimeAndByIterations) {
  TourOptions options = Options({TourMethod::kOr3Opt, TourMethod::kGenetic}, 100);
  const ComputedTour hundred = ComputeTour(states_, options).value();
  for (const MethodTour& method : hundred.methods) {
    if (method.method == TourMethod::kNearestNeighbour) continue;
    EXPECT_EQ(method.iterations, 100);
  }
  options.iterations = 0;
  options.time_limit = absl::ZeroDuration();
  const ComputedTour none = ComputeTour(states_, options).value();
  EXPECT_TRUE(IsPermutationFrom0(none.report.order, 512));
  EXPECT_EQ(none.methods[1].iterations, 0);
}

TEST_F(GoldenTourTest, EndsWhenItsProgressSaysSo) {
  TourOptions options = Options({TourMethod::kOr3Opt, TourMethod::kGenetic}, 0);
  std::vector<TourMethod> told;
  options.on_progress = [&told](const TourProgress& progress) {
    told.push_back(progress.method);
    return false;
  };
  const ComputedTour tour = ComputeTour(states_, options).value();
  EXPECT_TRUE(IsPermutationFrom0(tour.report.order, 512));
  EXPECT_THAT(told, ElementsAre(TourMethod::kOr3Opt, TourMethod::kGenetic));
}

TEST(ComputedTourInputTest, RefusesNoRowsAndTooMany) {
  EXPECT_TRUE(absl::IsInvalidArgument(ComputeTour({0, 8, {}}, TourOptions()).status()));
  const base::FloatMatrix many{20'001, 1, std::vector<float>(20'001)};
  TourOptions options;
  options.max_rows = std::numeric_limits<int64_t>::max();
  const absl::Status status = ComputeTour(many, options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("20001 rows, the limit is 20000"));
  options.max_rows = 300;
  EXPECT_EQ(ComputeTour(many, options).value().report.rows_used, 300);
}

TEST(TourOptionsTest, NamesEachMethodAndMetricAsItIsParsed) {
  for (const TourMethod method : kSearches) {
    EXPECT_EQ(ParseTourMethod(TourMethodName(method)), method);
  }
  for (const RowMetric metric : kMetrics) EXPECT_EQ(ParseRowMetric(RowMetricName(metric)), metric);
  EXPECT_EQ(ParseTourMethod("Or-opt"), std::nullopt);
  EXPECT_EQ(ParseRowMetric(""), std::nullopt);
}

}  // namespace
}  // namespace scanserve::order
