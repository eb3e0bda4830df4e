#include "client/scanctl/compare_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/scanctl/difference_plot.h"

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

Comparison Undecided() {
  Comparison comparison;
  comparison.started.mutable_b()->mutable_scan()->mutable_order()->set_name("wiki");
  comparison.started.set_mode(v1::PERPLEXITY_MODE_CONTINUATION);
  comparison.started.set_margin(.005);
  v1::CompareEstimate& estimate = *comparison.totals.mutable_estimate();
  estimate.set_verdict(v1::COMPARE_VERDICT_UNDECIDED);
  estimate.set_observations(60);
  estimate.set_low(-.01);
  estimate.set_high(.02);
  return comparison;
}

PositionRange Range(int64_t begin, int64_t end, double ratio) {
  PositionRange range;
  range.begin = begin;
  range.end = end;
  range.estimate.ratio = ratio;
  range.interval = {ratio - .01, ratio + .01};
  return range;
}

TEST(ComparePageTest, HoldsEverythingInItself) {
  const std::string page = ComparePage(Undecided(), {Range(0, 1, .1), Range(4, 8, 0)},
                                       {{"3", "The river", "the same ends", "the same goes"}});
  EXPECT_THAT(page, HasSubstr("<h1>undecided: the interval holds 0"));
  EXPECT_THAT(page, HasSubstr("wiki against identity"));
  EXPECT_THAT(page, HasSubstr("Exploratory"));
  EXPECT_THAT(page, HasSubstr(">4-7</text>"));
  for (const char* outside : {"http", "src=", "<script", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  for (const char* broken : {"nan", "inf\""}) EXPECT_THAT(page, Not(HasSubstr(broken)));
}

TEST(ComparePageTest, ColoursContinuationsFromWhereTheyPart) {
  const std::string page = ComparePage(Undecided(), {}, {{"3", "p", "the same ends", "the same"}});
  EXPECT_THAT(page, HasSubstr("the same<span class=\"a\"> ends</span>"));
  EXPECT_THAT(page, HasSubstr("the same<span class=\"b\"></span>"));
}

TEST(ComparePageTest, TextFromElsewhereCannotBecomeMarkup) {
  const std::string page =
      ComparePage(Undecided(), {}, {{"<i>", "<script>alert(1)</script>", "<b>&\"'", "\xFF"}});
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<i>")));
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;&amp;&quot;&#39;"));
  EXPECT_THAT(page, HasSubstr("\uFFFD"));
}

TEST(ComparePageTest, TextsPartBetweenCharacters) {
  EXPECT_EQ(CommonPrefix("abc", "abd"), 2);
  EXPECT_EQ(CommonPrefix("abc", "abc"), 3);
  EXPECT_EQ(CommonPrefix("", "abc"), 0);
  // U+00E4 and U+00E5 share their first byte.
  EXPECT_EQ(CommonPrefix("x\u00E4", "x\u00E5"), 1);
  EXPECT_EQ(CommonPrefix("x\u00E4y", "x\u00E4z"), 3);
}

TEST(DifferencePlotTest, AnIntervalOfNoWidthStillHasAPicture) {
  PositionRange range = Range(0, 1, 0);
  range.interval = {0, 0};
  EXPECT_THAT(DifferencePlot({range}), Not(HasSubstr("nan")));
  v1::CompareEstimate estimate;
  estimate.set_low(0);
  estimate.set_high(0);
  EXPECT_THAT(IntervalPlot(estimate, .005), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace scanserve::client
