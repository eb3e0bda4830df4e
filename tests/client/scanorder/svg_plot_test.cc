#include "client/scanorder/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(SvgPlotTest, EscapesWhateverCouldEndATextOrAnAttribute) {
  EXPECT_EQ(EscapeHtml("<b>&\"'\xC3\xA9</b>"), "&lt;b&gt;&amp;&quot;&#39;\xC3\xA9&lt;/b&gt;");
  EXPECT_EQ(EscapeHtml("a\xFF"
                       "b"),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(SvgPlotTest, EscapesNamesAndTitles) {
  const std::string svg =
      StepPlot({{"<i>", {{1, 2}, {2, 1}}}}, {.x_title = "<x>", .y_title = "<y>"});
  EXPECT_THAT(svg, HasSubstr("&lt;i&gt;"));
  EXPECT_THAT(svg, HasSubstr("&lt;x&gt;"));
  EXPECT_THAT(svg, HasSubstr("&lt;y&gt;"));
}

TEST(SvgPlotTest, DrawsALineForManyPointsAndADotForOne) {
  const std::string svg = StepPlot({{"one", {{1, 5}}}, {"many", {{1, 4}, {10, 2}, {100, 1}}}},
                                   {.x_title = "s", .y_title = "m", .x_logarithmic = true});
  EXPECT_THAT(svg, HasSubstr("<circle class=\"fill a\""));
  EXPECT_THAT(svg, HasSubstr("<path class=\"line b\""));
  // A decade apart is half of the way, in a frame from 56 to 508.
  EXPECT_THAT(svg, HasSubstr("H282.0V"));
}

TEST(SvgPlotTest, LeavesOutEmptyBarsAndDrawsOthersAsHighAsTheyCount) {
  const std::string svg =
      BarPlot({{"bars", {{0, 4}, {1, 0}, {2, 2}}}}, 1, {.x_title = "x", .y_title = "y"});
  EXPECT_THAT(svg, HasSubstr("height=\"206.0\""));
  EXPECT_THAT(svg, HasSubstr("height=\"103.0\""));
  EXPECT_THAT(svg, Not(HasSubstr("height=\"0.0\"")));
}

TEST(SvgPlotTest, DrawsValuesThatAreAllTheSame) {
  for (const std::string& svg :
       {StepPlot({{"a", {{1, 3}}}}, {.x_title = "x", .y_title = "y", .y_from_zero = false}),
        BarPlot({{"a", {{0, 0}}}}, 1, {.x_title = "x", .y_title = "y"})}) {
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf\"")));
  }
}

}  // namespace
}  // namespace scanserve::client
