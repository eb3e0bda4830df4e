#include "client/scanorder/compute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/base/npy.h"
#include "nlohmann/json.hpp"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ComputeTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "compute_XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    options_.states = folder_ + "/hidden_states.npy";
    options_.out = folder_ + "/new/out";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Row 2 is nearest to row 0, row 3 to row 2; row 1 is unlike the others.
  void WriteStates() {
    const std::vector<float> states = {1, 2, 3, 4, 1, 3, 1, 3, 2, 4, 6, 9, 1, 2, 5, 5};
    ASSERT_TRUE(
        base::WriteFileDurably(options_.states, base::FormatNpyFloatMatrix(states, 4, 4)).ok());
  }

  std::vector<int64_t> Written(const std::string& name) const {
    const std::string npy = base::ReadFile(options_.out + "/" + name, 4096).value();
    return base::ParseNpyIntegers(npy, 100).value();
  }

  std::string folder_;
  ComputeOptions options_;
  std::ostringstream figures_;
};

TEST_F(ComputeTest, WritesTheOrderAndItsInverse) {
  WriteStates();
  ASSERT_TRUE(Compute(options_, figures_).ok());
  EXPECT_THAT(Written("scan_order.npy"), ElementsAre(0, 2, 3, 1));
  EXPECT_THAT(Written("scan_order_inv.npy"), ElementsAre(0, 3, 1, 2));
}

TEST_F(ComputeTest, PrintsEachFigure) {
  WriteStates();
  ASSERT_TRUE(Compute(options_, figures_).ok());
  for (const char* figure : {"(4, 4), 4 rows used", "mean 0.", "standard deviation 0.",
                             "natural tour", "optimised tour", "improvement", " %", " s\n"}) {
    EXPECT_THAT(figures_.str(), HasSubstr(figure));
  }
}

TEST_F(ComputeTest, PrintsTheSameFiguresAsJson) {
  WriteStates();
  options_.json = true;
  ASSERT_TRUE(Compute(options_, figures_).ok());
  const auto json = nlohmann::json::parse(figures_.str());
  EXPECT_EQ(json.at("shape"), nlohmann::json({4, 4}));
  EXPECT_EQ(json.at("rows_used"), 4);
  const double natural = json.at("natural_length");
  const double tour = json.at("tour_length");
  EXPECT_LT(tour, natural);
  EXPECT_NEAR(json.at("improvement_percent").get<double>(), (natural - tour) / natural * 100, 1e-9);
  EXPECT_TRUE(json.contains("mean_distance") && json.contains("distance_deviation") &&
              json.contains("seconds"));
}

TEST_F(ComputeTest, ComparesMethodsInATableAndKeepsTheShortest) {
  WriteStates();
  options_.tour.methods = {order::TourMethod::kTwoOpt, order::TourMethod::kOr3Opt};
  options_.tour.iterations = 10;
  ASSERT_TRUE(Compute(options_, figures_).ok());
  for (const char* word : {"nearest-neighbour", "2-opt", "or-3opt", "tour length", "iterations"}) {
    EXPECT_THAT(figures_.str(), HasSubstr(word));
  }
  figures_.str("");
  options_.json = true;
  ASSERT_TRUE(Compute(options_, figures_).ok());
  const auto json = nlohmann::json::parse(figures_.str());
  ASSERT_EQ(json.at("methods").size(), 3);
  double shortest = 1e9;
  for (const auto& method : json.at("methods")) {
    shortest = std::min(shortest, method.at("tour_length").get<double>());
    EXPECT_TRUE(method.contains("seconds") && method.contains("improvement_percent"));
  }
  EXPECT_EQ(json.at("tour_length"), shortest);
}

TEST_F(ComputeTest, WritesAReportWithItsTitleEscaped) {
  options_.states = folder_ + "/a<b.npy";
  WriteStates();
  options_.report = folder_ + "/report.html";
  ASSERT_TRUE(Compute(options_, figures_).ok());
  const std::string page = base::ReadFile(options_.report, 1 << 20).value();
  EXPECT_THAT(page, HasSubstr("a&lt;b.npy</h1>"));
  EXPECT_THAT(page, HasSubstr("absolute-correlation"));
}

TEST_F(ComputeTest, NamesTheStatesThatAreNotThereOrNotReadable) {
  EXPECT_TRUE(absl::IsNotFound(Compute(options_, figures_)));
  ASSERT_TRUE(base::WriteFileDurably(options_.states, "no array").ok());
  const absl::Status status = Compute(options_, figures_);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr(options_.states));
  EXPECT_EQ(figures_.str(), "");
}

TEST_F(ComputeTest, SaysThatItCannotWriteIntoAFile) {
  WriteStates();
  options_.out = options_.states;
  EXPECT_TRUE(absl::IsUnavailable(Compute(options_, figures_)));
}

}  // namespace
}  // namespace scanserve::client
