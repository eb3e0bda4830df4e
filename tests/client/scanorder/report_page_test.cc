#include "client/scanorder/report_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

class ReportPageTest : public testing::Test {
 protected:
  ReportPageTest() {
    base::FloatMatrix states{5, 3, {1, 2, 3, 2, 1, 3, 3, 2, 1, 1, 3, 2, 1, 2, 4}};
    order::TourOptions options;
    options.methods = {order::TourMethod::kOrOpt};
    tour_ = order::ComputeTour(states, options).value();
    figures_ = DrawTour(states, options, tour_.report.order);
  }

  std::string Page(const std::string& text, std::vector<TargetComparison> comparisons) const {
    return ReportPage({.title = text,
                       .tour = tour_,
                       .figures = figures_,
                       .provenance = {{"model", text}},
                       .comparisons = std::move(comparisons),
                       .scored_documents = text});
  }

  order::ComputedTour tour_;
  TourFigures figures_;
};

TEST_F(ReportPageTest, NeedsNothingFromOutside) {
  const std::string page = Page("an order", {});
  for (const char* word : {"http", "src=", "href", "url(", "@import", "fetch("}) {
    EXPECT_THAT(page, Not(HasSubstr(word)));
  }
}

TEST_F(ReportPageTest, EscapesEveryTextThatAPersonMade) {
  TargetComparison comparison;
  comparison.targets = "<script>";
  comparison.tokens = 1;
  const std::string page = Page("<script>alert('x')</script>", {comparison});
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  // In the title, the heading, the provenance and above the scores.
  size_t times = 0;
  for (size_t at = 0; (at = page.find("&lt;script&gt;alert", at)) != std::string::npos; ++at) {
    ++times;
  }
  EXPECT_EQ(times, 4);
  EXPECT_THAT(page, HasSubstr("<td>&lt;script&gt;"));
}

TEST_F(ReportPageTest, ShowsEachMethodAndTheProvenance) {
  const std::string page = Page("digest 12", {});
  EXPECT_THAT(page, HasSubstr("<td>nearest-neighbour</td>"));
  EXPECT_THAT(page, HasSubstr("<td>or-opt</td>"));
  EXPECT_THAT(page, HasSubstr("<th>model</th><td>digest 12</td>"));
  EXPECT_THAT(page, Not(HasSubstr("Perplexity")));
}

TEST_F(ReportPageTest, ShowsIntervalsWhereThereAreAnyAndSaysWhatWasLeaked) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string page = Page("x", {{.targets = "full window, leaked",
                                       .causal = false,
                                       .documents = 3,
                                       .tokens = 1234,
                                       .identity = {20.5, 18.25, 23.125},
                                       .order = {1.5, -kInfinity, kInfinity},
                                       .ratio = {0.0732, 0.0611, 0.0877}}});
  EXPECT_THAT(page, HasSubstr("1,234"));
  EXPECT_THAT(page, HasSubstr("18.25 to 23.12"));
  EXPECT_THAT(page, HasSubstr("0.0611 to 0.0877"));
  EXPECT_THAT(page, HasSubstr("has seen what comes after"));
  EXPECT_THAT(page, Not(HasSubstr("inf to")));
}

}  // namespace
}  // namespace scanserve::client
