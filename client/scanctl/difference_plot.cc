#include "client/scanctl/difference_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace scanserve::client {
namespace {

// Maps values onto a stretch of the picture.
struct Scale {
  double low;
  double high;
  double begin;  // where `low` lies
  double end;

  double operator()(double value) const {
    return begin + (value - low) / (high - low) * (end - begin);
  }
};

std::string Line(double x1, double y1, double x2, double y2, const char* stroke, double width) {
  return absl::StrFormat(
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"var(--%s)\" "
      "stroke-width=\"%g\"/>\n",
      x1, y1, x2, y2, stroke, width);
}

std::string Label(double x, double y, const char* anchor, const std::string& text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                         text);
}

std::string Dot(double x, double y) {
  return absl::StrFormat("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"var(--b)\"/>\n", x, y);
}

std::string Picture(double width, double height, const std::string& name, const std::string& body) {
  return absl::StrFormat("<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n%s</svg>\n",
                         width, height, name, body);
}

// A round step that divides `range` into three to seven.
double Step(double range) {
  const double power = std::pow(10, std::floor(std::log10(range)));
  for (const double factor : {0.2, 0.5, 1.0}) {
    if (range / (power * factor) <= 7) return power * factor;
  }
  return power * 2;
}

// "+0.02", with as many digits as `step` has.
std::string Tick(double value, double step) {
  const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return std::abs(value) < step / 2 ? "0" : absl::StrFormat("%+.*f", digits, value);
}

std::string RangeText(const PositionRange& range) {
  return range.end - range.begin < 2 ? absl::StrCat(range.begin)
                                     : absl::StrCat(range.begin, "-", range.end - 1);
}

// Horizontal lines with their values.
std::string Grid(const Scale& y, double left, double right) {
  std::string grid;
  const double step = Step(y.high - y.low);
  for (double value = std::ceil(y.low / step) * step; value <= y.high; value += step) {
    grid += Line(left, y(value), right, y(value), std::abs(value) < step / 2 ? "ink" : "line", 1);
    grid += Label(left - 6, y(value) + 4, "end", Tick(value, step));
  }
  return grid;
}

}  // namespace

std::string IntervalPlot(const v1::CompareEstimate& estimate, double margin) {
  const double reach =
      1.15 * std::max({std::abs(estimate.low()), std::abs(estimate.high()), margin});
  const Scale x{-reach, reach, 20, 620};
  std::string body = absl::StrFormat(
      "<rect x=\"%.1f\" y=\"14\" width=\"%.1f\" height=\"44\" fill=\"var(--band)\"/>\n", x(-margin),
      x(margin) - x(-margin));
  body += Line(x(0), 10, x(0), 62, "ink", 1);
  body += Line(x(estimate.low()), 36, x(estimate.high()), 36, "b", 4);
  body += Dot(x(estimate.difference()), 36);
  body += Label(20, 80, "start", "B better");
  body += Label(620, 80, "end", "B worse");
  body += Label(x(0), 80, "middle", absl::StrFormat("0 +- margin %g", margin));
  return Picture(640, 90, "The interval of the difference, over the margin", body);
}

std::string DifferencePlot(const std::vector<PositionRange>& ranges) {
  double low = 0;
  double high = 0;
  for (const PositionRange& range : ranges) {
    low = std::min(low, range.interval.low);
    high = std::max(high, range.interval.high);
  }
  if (high - low < 1e-9) {
    low = -0.01;
    high = 0.01;
  }
  const double room = 0.06 * (high - low);
  const Scale y{low - room, high + room, 230, 10};
  const Scale x{0, static_cast<double>(ranges.size()), 70, 640};
  std::string body = Grid(y, 70, 640);
  for (size_t i = 0; i < ranges.size(); ++i) {
    const double at = x(static_cast<double>(i) + 0.5);
    const PositionRange& range = ranges[i];
    body += Line(at, y(range.interval.low), at, y(range.interval.high), "b", 2);
    body += Dot(at, y(range.estimate.ratio));
    body += Label(at, i % 2 == 0 ? 252 : 268, "middle", RangeText(range));
  }
  return Picture(650, 276, "Mean difference by position", body);
}

}  // namespace scanserve::client
