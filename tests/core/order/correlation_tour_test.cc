// CorrelationTour against reference_order.py, which computes the same with NumPy.
#include "core/order/correlation_tour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/order/scan_order.h"
#include "nlohmann/json.hpp"

namespace scanserve::order {
namespace {

constexpr int64_t kMaxBytes = 1 << 24;

class CorrelationTourTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::filesystem::path pattern = std::filesystem::temp_directory_path() / "tour_XXXXXX";
    std::string path = pattern.string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    const std::string command =
        "/usr/bin/python3 " SCANSERVE_SOURCE_DIR "/tests/core/order/reference_order.py " + folder_;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static std::string Bytes(const std::string& path) {
    return base::ReadFile(path, kMaxBytes).value();
  }

  static std::string folder_;
};

std::string CorrelationTourTest::folder_;

// Where the two orders part, -1 when they are the same.
int64_t FirstDifference(const std::vector<int32_t>& ours, const std::vector<int64_t>& numpys) {
  const auto [mine, theirs] = std::ranges::mismatch(ours, numpys);
  return mine == ours.end() ? -1 : mine - ours.begin();
}

void ExpectFigure(const nlohmann::json& figures, const char* name, double value) {
  const double expected = figures.at(name).get<double>();
  EXPECT_NEAR(value, expected, 1e-7 * std::max(1e-6, std::abs(expected))) << name;
}

TEST_F(CorrelationTourTest, EqualsNumPyOnEveryCase) {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string folder = entry.path().string();
    SCOPED_TRACE(folder);
    ++cases;
    const auto states = base::ReadNpyFloatMatrix(folder + "/hidden_states.npy", kMaxBytes).value();
    const TourReport report = CorrelationTour(states).value();
    const auto figures = nlohmann::json::parse(Bytes(folder + "/figures.json"));
    EXPECT_EQ(report.rows, figures.at("rows"));
    EXPECT_EQ(report.columns, figures.at("columns"));
    EXPECT_EQ(report.rows_used, figures.at("rows_used"));
    ExpectFigure(figures, "mean_distance", report.mean_distance);
    ExpectFigure(figures, "distance_deviation", report.distance_deviation);
    ExpectFigure(figures, "natural_length", report.natural_length);

    const std::string npy = Bytes(folder + "/scan_order.npy");
    const auto numpys = base::ParseNpyIntegers(npy, ScanOrder::kMaxEntries).value();
    ASSERT_EQ(report.order.size(), numpys.size());
    const int64_t step = FirstDifference(report.order, numpys);
    if (step >= 0) {
      const double gap = figures.at("gaps").at(static_cast<size_t>(step - 1));
      std::cout << folder << ": parts from NumPy at step " << step << ", its gap there is " << gap
                << "\n";
      EXPECT_LE(gap, 1e-9);
      continue;
    }
    ExpectFigure(figures, "tour_length", report.tour_length);
    ExpectFigure(figures, "improvement_percent", report.improvement_percent);
    EXPECT_EQ(base::FormatNpyIntegers(report.order), npy);
    EXPECT_EQ(base::FormatNpyIntegers(Inverse(report.order)),
              Bytes(folder + "/scan_order_inv.npy"));
  }
  EXPECT_EQ(cases, 14);
}

TEST(CorrelationTourInputTest, RefusesAMatrixWithoutRowsOrColumns) {
  EXPECT_TRUE(absl::IsInvalidArgument(CorrelationTour({0, 8, {}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(CorrelationTour({8, 0, {}}).status()));
}

TEST(CorrelationTourInputTest, BreaksTiesTowardsTheSmallerRow) {
  // Constant rows correlate with nothing: every distance is 1.
  const base::FloatMatrix states{4, 3, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}};
  const TourReport report = CorrelationTour(states).value();
  EXPECT_THAT(report.order, testing::ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(report.natural_length, 3);
  EXPECT_EQ(report.improvement_percent, 0);
}

}  // namespace
}  // namespace scanserve::order
