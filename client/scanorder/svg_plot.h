// Small plots as inline SVG. Colours come from the page's style: class "a", "b", ..
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace scanserve::client {

// Text as it may stand in HTML, in an attribute too; bytes that are not UTF-8 become U+FFFD.
std::string EscapeHtml(absl::string_view text);

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x ascending
};

struct Axes {
  std::string x_title;
  std::string y_title;
  bool x_logarithmic = false;  // x is positive then
  bool y_from_zero = true;
};

// Each series holds its value until its next point. A series of one point is a dot.
std::string StepPlot(const std::vector<Series>& series, const Axes& axes);

// Bars of one width from x = 0 on, the series over each other.
std::string BarPlot(const std::vector<Series>& series, double bar_width, const Axes& axes);

}  // namespace scanserve::client
