#include "client/scanorder/report_page.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/number_text.h"
#include "client/scanorder/svg_plot.h"

namespace scanserve::client {
namespace {

// Light and dark, one column on a telephone. No rule asks for anything outside the page.
constexpr const char* kStyle = R"(
:root{--paper:#fff;--ink:#1c2430;--soft:#5b6673;--line:#d9dee5;--card:#f6f8fa;
--a:#2a6fdb;--b:#d9792b;--c:#2f9e6e;--d:#8a5cc7;--e:#c2406b;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--paper:#14181e;--ink:#e4e8ee;--soft:#9aa5b1;
--line:#333b46;--card:#1c2229;--a:#6ea8ff;--b:#f0a35e;--c:#5cc99a;--d:#b795ea;--e:#ee7fa3}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 16px 48px;max-width:1120px;background:var(--paper);
color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:40px 0 4px}
p{margin:4px 0 12px;max-width:72ch}
.soft,.unit,.legend,text,figcaption{color:var(--soft);fill:var(--soft)}
.tiles,.pair{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}
.pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:24px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.tile b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
figure{margin:0}
svg,canvas{display:block;width:100%;height:auto}
canvas{image-rendering:pixelated;border:1px solid var(--line)}
text{font-size:12px}
.legend{font-size:.85rem;display:flex;flex-wrap:wrap;gap:2px 16px;margin-bottom:4px}
.key{color:var(--ink)}
.key i{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:6px}
.grid{stroke:var(--line)}.axis,.tick{stroke:var(--soft)}
.line{fill:none;stroke-width:2}.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}
.line.c{stroke:var(--c)}.line.d{stroke:var(--d)}.line.e{stroke:var(--e)}
.fill{opacity:.65}.fill.a{fill:var(--a)}.fill.b{fill:var(--b)}.fill.c{fill:var(--c)}
.fill.d{fill:var(--d)}.fill.e{fill:var(--e)}
i.a{background:var(--a)}i.b{background:var(--b)}i.c{background:var(--c)}
i.d{background:var(--d)}i.e{background:var(--e)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);
vertical-align:top}
th{font-weight:600}
.number{text-align:right;white-space:nowrap}
.words th{width:11rem}.words td{overflow-wrap:anywhere}
.scale{height:10px;margin-top:8px;background:linear-gradient(90deg,#0d1b3e,#2a6fdb,#7fd1c7,#fff3b0)}
.ends{display:flex;justify-content:space-between;font-size:.85rem}
@media(max-width:520px){th,td{padding-right:8px;font-size:.9rem}.words th{width:7.5rem}
text{font-size:17px}}
)";

// Draws a heat map's bytes in the colours of .scale.
constexpr const char* kScript = R"(
const stops=[[13,27,62],[42,111,219],[127,209,199],[255,243,176]];
for(const canvas of document.querySelectorAll('canvas')){
const bytes=atob(canvas.dataset.values),context=canvas.getContext('2d');
const image=context.createImageData(canvas.width,canvas.height);
for(let i=0;i<bytes.length;++i){const place=bytes.charCodeAt(i)/255*3;
const low=Math.min(2,Math.floor(place)),share=place-low;
for(let c=0;c<3;++c)image.data[4*i+c]=stops[low][c]+(stops[low+1][c]-stops[low][c])*share;
image.data[4*i+3]=255}
context.putImageData(image,0,0)}
)";

std::string Tile(const std::string& value, const std::string& name) {
  return absl::StrCat("<div class=\"tile\"><b>", EscapeHtml(value), "</b>", EscapeHtml(name),
                      "</div>");
}

std::string Summary(const Report& report) {
  const order::TourReport& tour = report.tour.report;
  return absl::StrCat(
      "<div class=\"tiles\">",
      Tile(absl::StrFormat("%.2f %%", tour.improvement_percent), "shorter than the natural path"),
      Tile(absl::StrFormat("%.2f", tour.natural_length), "natural length"),
      Tile(absl::StrFormat("%.2f", tour.tour_length), "length of the order"),
      Tile(WithThousands(tour.rows_used), absl::StrCat("of ", WithThousands(tour.rows), " rows")),
      Tile(std::string(order::TourMethodName(report.tour.method)), "found the shortest"), "</div>");
}

std::string Canvas(const HeatMap& map, float low, float high, const std::string& caption) {
  std::string bytes;
  for (const float value : map.values) {
    const float share = high > low ? (value - low) / (high - low) : 0;
    bytes += static_cast<char>(std::lround(std::clamp(share, 0.0F, 1.0F) * 255));
  }
  return absl::StrFormat(
      "<figure><figcaption>%s</figcaption><canvas width=\"%d\" height=\"%d\" role=\"img\" "
      "aria-label=\"%s\" data-values=\"%s\"></canvas></figure>",
      EscapeHtml(caption), map.size, map.size, EscapeHtml(caption), absl::Base64Escape(bytes));
}

std::string HeatMaps(const TourFigures& figures) {
  const auto [low, high] = std::ranges::minmax(figures.natural.values);
  return absl::StrCat(
      "<h2>Distances between tokens</h2><p>Each point is the mean distance of two groups of "
      "tokens. A good order puts dark points along the diagonal: what is read one after the other "
      "is alike.</p><div class=\"pair\">",
      Canvas(figures.natural, low, high, "in natural order"),
      Canvas(figures.tour, low, high, "in the computed order"),
      "</div><div class=\"scale\"></div><div class=\"ends soft\">",
      absl::StrFormat("<span>near: %.3f</span><span>far: %.3f</span></div>", low, high));
}

std::string Methods(const Report& report) {
  constexpr double kFirstSeconds = 1e-3;  // where the axis of time begins
  std::string rows;
  std::vector<Series> series;
  for (const order::MethodTour& method : report.tour.methods) {
    const std::string name(order::TourMethodName(method.method));
    absl::StrAppendFormat(
        &rows,
        "<tr><td>%s</td><td class=\"number\">%.4f</td><td class=\"number\">%.2f %%</td>"
        "<td class=\"number\">%.3f s</td></tr>",
        name, method.length, method.improvement_percent, absl::ToDoubleSeconds(method.elapsed));
    Series points{name, {}};
    for (const order::TourPoint& point : method.history) {
      points.points.emplace_back(std::max(kFirstSeconds, absl::ToDoubleSeconds(point.elapsed)),
                                 point.length);
    }
    // It stayed so until the search ended.
    if (points.points.size() > 1) {
      points.points.emplace_back(
          std::max(points.points.back().first, absl::ToDoubleSeconds(method.elapsed)),
          method.length);
    }
    series.push_back(std::move(points));
  }
  return absl::StrCat(
      "<h2>Methods</h2><div class=\"pair\"><div class=\"scroll\"><table><thead><tr><th>method</th>"
      "<th class=\"number\">length</th><th class=\"number\">improvement</th>"
      "<th class=\"number\">time</th></tr></thead><tbody>",
      rows, "</tbody></table></div>",
      StepPlot(series, {.x_title = "seconds of search",
                        .y_title = "tour length",
                        .x_logarithmic = true,
                        .y_from_zero = false}),
      "</div>");
}

Series Bars(const std::string& name, const Histogram& histogram) {
  Series series{name, {}};
  for (size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    series.points.emplace_back(histogram.bin_width * static_cast<double>(bin),
                               static_cast<double>(histogram.counts[bin]));
  }
  return series;
}

std::string Steps(const TourFigures& figures) {
  return absl::StrCat(
      "<h2>What stands side by side, and how far tokens move</h2><div class=\"pair\"><div>",
      BarPlot({Bars("natural", figures.natural_steps), Bars("computed", figures.tour_steps)},
              figures.natural_steps.bin_width,
              {.x_title = "distance to the next token", .y_title = "tokens"}),
      "</div><div>",
      BarPlot({Bars("computed", figures.moves)}, figures.moves.bin_width,
              {.x_title = "positions between natural and scanned place", .y_title = "tokens"}),
      absl::StrFormat("<p class=\"soft\">Median %s, mean %.1f, at most %s positions.</p>",
                      WithThousands(figures.median_move), figures.mean_move,
                      WithThousands(figures.largest_move)),
      "</div></div>");
}

std::string EstimateCell(const Estimate& estimate, int digits) {
  std::string cell = absl::StrFormat("<td class=\"number\">%.*f", digits, estimate.value);
  if (std::isfinite(estimate.low) && std::isfinite(estimate.high)) {
    absl::StrAppendFormat(&cell, "<br><span class=\"soft\">%.*f to %.*f</span>", digits,
                          estimate.low, digits, estimate.high);
  }
  return cell + "</td>";
}

std::string Perplexities(const Report& report) {
  if (report.comparisons.empty()) return "";
  std::string rows;
  for (const TargetComparison& each : report.comparisons) {
    absl::StrAppend(&rows, "<tr><td>", EscapeHtml(each.targets),
                    each.causal ? "" : "<br><span class=\"soft\">has seen what comes after</span>",
                    "</td><td class=\"number\">", WithThousands(each.tokens), "</td>",
                    EstimateCell(each.identity, 2), EstimateCell(each.order, 2),
                    EstimateCell(each.ratio, 4), "</tr>");
  }
  return absl::StrCat(
      "<h2>Perplexity: identity against the order</h2><p>", EscapeHtml(report.scored_documents),
      " The same targets under both. Below the figures stand 95 % intervals, which take documents "
      "as "
      "independent; a ratio below 1 is in favour of the order. Only causal targets say how well "
      "the "
      "model predicts: leaked ones were shown to it.</p><div class=\"scroll\"><table><thead><tr>"
      "<th>targets</th><th class=\"number\">tokens</th><th class=\"number\">identity</th>"
      "<th class=\"number\">order</th><th class=\"number\">ratio</th></tr></thead><tbody>",
      rows, "</tbody></table></div>");
}

std::string Provenance(const Fields& fields) {
  std::string rows;
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&rows, "<tr><th>", EscapeHtml(name), "</th><td>", EscapeHtml(value),
                    "</td></tr>");
  }
  return absl::StrCat("<h2>Provenance</h2><table class=\"words\"><tbody>", rows,
                      "</tbody></table>");
}

}  // namespace

std::string ReportPage(const Report& report) {
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
      EscapeHtml(report.title), "</title><style>", kStyle, "</style></head><body><h1>",
      EscapeHtml(report.title),
      "</h1><p class=\"soft\">A scan order computed from hidden states: "
      "tokens that are alike are read one after the other.</p>",
      Summary(report), Perplexities(report), HeatMaps(report.figures), Methods(report),
      Steps(report.figures), Provenance(report.provenance), "<script>", kScript,
      "</script></body></html>\n");
}

}  // namespace scanserve::client
