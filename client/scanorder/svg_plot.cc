#include "client/scanorder/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/utf8.h"

namespace scanserve::client {
namespace {

constexpr double kWidth = 520, kHeight = 260;
constexpr double kLeft = 56, kRight = 12, kTop = 12, kBottom = 42;
constexpr double kBaseline = kHeight - kBottom;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// The next step of 1, 2 or 5 times a power of ten, for about four ticks.
double TickStep(const Range& range) {
  const double rough = (range.high - range.low) / 4;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

std::string TickText(double value) {
  return std::abs(value) < 1e-12 ? "0" : absl::StrFormat("%.6g", value);
}

class Plot {
 public:
  Plot(const Axes& axes, Range x, Range y) : axes_(axes), x_(x), y_(y) {
    if (axes.y_from_zero) y_.Add(0);
    if (x_.low >= x_.high) x_.high = x_.low + (axes.x_logarithmic ? x_.low : 1);
    if (y_.low >= y_.high) y_.high = y_.low + 1;
  }

  double X(double value) const {
    const double share = axes_.x_logarithmic ? std::log(value / x_.low) / std::log(x_.high / x_.low)
                                             : (value - x_.low) / (x_.high - x_.low);
    return kLeft + share * (kWidth - kLeft - kRight);
  }
  double Y(double value) const {
    return kBaseline - (value - y_.low) / (y_.high - y_.low) * (kBaseline - kTop);
  }

  std::string Frame() const {
    std::string svg;
    for (const double tick : XTicks()) {
      absl::StrAppendFormat(&svg,
                            "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
                            X(tick), X(tick), kBaseline, kBaseline + 4, X(tick), kBaseline + 17,
                            TickText(tick));
    }
    for (const double tick : Ticks(y_)) {
      absl::StrAppendFormat(&svg,
                            "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                            kLeft, kWidth - kRight, Y(tick), Y(tick), kLeft - 6, Y(tick) + 4,
                            TickText(tick));
    }
    absl::StrAppendFormat(&svg,
                          "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                          "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
                          kLeft, kWidth - kRight, kBaseline, kBaseline,
                          (kLeft + kWidth - kRight) / 2, kHeight - 6, EscapeHtml(axes_.x_title));
    return svg;
  }

 private:
  static std::vector<double> Ticks(const Range& range) {
    std::vector<double> ticks;
    const double step = TickStep(range);
    for (double tick = std::ceil(range.low / step - 1e-9) * step; tick <= range.high + step * 1e-9;
         tick += step) {
      ticks.push_back(tick);
    }
    return ticks;
  }

  std::vector<double> XTicks() const {
    if (!axes_.x_logarithmic) return Ticks(x_);
    std::vector<double> ticks;
    for (double tick = std::pow(10, std::ceil(std::log10(x_.low) - 1e-9)); tick <= x_.high;
         tick *= 10) {
      ticks.push_back(tick);
    }
    return ticks;
  }

  const Axes& axes_;
  Range x_, y_;
};

char ClassOf(size_t number) { return static_cast<char>('a' + number % 5); }

std::string Figure(const std::vector<Series>& series, const Axes& axes, const std::string& drawn) {
  std::string legend;
  for (size_t i = 0; i < series.size(); ++i) {
    absl::StrAppend(&legend, "<span class=\"key\"><i class=\"", std::string(1, ClassOf(i)),
                    "\"></i>", EscapeHtml(series[i].name), "</span>");
  }
  return absl::StrFormat(
      "<figure><div class=\"legend\"><span class=\"unit\">%s</span>%s</div>"
      "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s by %s\">%s</svg></figure>",
      EscapeHtml(axes.y_title), legend, kWidth, kHeight, EscapeHtml(axes.y_title),
      EscapeHtml(axes.x_title), drawn);
}

std::string Step(const Plot& plot, const Series& series, char name) {
  const auto [x0, y0] = series.points.front();
  if (series.points.size() == 1) {
    return absl::StrFormat("<circle class=\"fill %c\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>", name,
                           plot.X(x0), plot.Y(y0));
  }
  std::string path = absl::StrFormat("M%.1f %.1f", plot.X(x0), plot.Y(y0));
  for (const auto& [x, y] : series.points) {
    absl::StrAppendFormat(&path, "H%.1fV%.1f", plot.X(x), plot.Y(y));
  }
  return absl::StrFormat("<path class=\"line %c\" d=\"%s\"/>", name, path);
}

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const Utf8Character next = DecodeUtf8(text);
    const char byte = text.front();
    if (!next.valid) {
      escaped += "\xEF\xBF\xBD";
    } else if (byte == '&') {
      escaped += "&amp;";
    } else if (byte == '<') {
      escaped += "&lt;";
    } else if (byte == '>') {
      escaped += "&gt;";
    } else if (byte == '"') {
      escaped += "&quot;";
    } else if (byte == '\'') {
      escaped += "&#39;";
    } else {
      escaped.append(text.data(), next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
  return escaped;
}

std::string StepPlot(const std::vector<Series>& series, const Axes& axes) {
  Range x, y;
  for (const Series& each : series) {
    for (const auto& [px, py] : each.points) {
      x.Add(px);
      y.Add(py);
    }
  }
  const Plot plot(axes, x, y);
  std::string drawn = plot.Frame();
  for (size_t i = 0; i < series.size(); ++i) {
    absl::StrAppend(&drawn, Step(plot, series[i], ClassOf(i)));
  }
  return Figure(series, axes, drawn);
}

std::string BarPlot(const std::vector<Series>& series, double bar_width, const Axes& axes) {
  Range x, y;
  x.Add(0);
  y.Add(0);
  for (const Series& each : series) {
    for (const auto& [px, py] : each.points) {
      x.Add(px + bar_width);
      y.Add(py);
    }
  }
  const Plot plot(axes, x, y);
  std::string drawn = plot.Frame();
  for (size_t i = 0; i < series.size(); ++i) {
    for (const auto& [px, py] : series[i].points) {
      if (py == 0) continue;
      absl::StrAppendFormat(
          &drawn, "<rect class=\"fill %c\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
          ClassOf(i), plot.X(px) + 0.5, plot.Y(py),
          std::max(0.5, plot.X(px + bar_width) - plot.X(px) - 1), kBaseline - plot.Y(py));
    }
  }
  return Figure(series, axes, drawn);
}

}  // namespace scanserve::client
