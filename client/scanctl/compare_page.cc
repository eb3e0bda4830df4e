#include "client/scanctl/compare_page.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/scanctl/difference_plot.h"
#include "client/utf8.h"

namespace scanserve::client {
namespace {

constexpr char kStyle[] = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5d6670;--line:#d5dade;--paper:#fff;--a:#2f6fb3;
--b:#b3541e;--band:#e8eef5}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7ea;--soft:#9aa4ad;--line:#3a424a;--paper:#15181b;
--a:#7fb2e8;--b:#e59a6a;--band:#22303f}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.1rem;margin:2.5rem 0 .5rem}
p{margin:.4rem 0}
.soft{color:var(--soft)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top}
th{font-weight:600;color:var(--soft)}
td.n,th.n{text-align:right;padding:.3rem .2rem .3rem .8rem;white-space:nowrap}
td.d{overflow-wrap:anywhere}
svg{display:block;width:100%;min-width:34rem;height:auto}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem;border-top:1px solid var(--line);
padding:.75rem 0}
.pair>p{grid-column:1/-1;margin:0}
.pair div{white-space:pre-wrap;overflow-wrap:anywhere;min-width:0}
.pair b{display:block;font-size:.85rem}
.a{color:var(--a)}.b{color:var(--b)}
@media(max-width:40rem){.pair{grid-template-columns:1fr}.wide table{font-size:.85rem}}
)";

std::string Row(const std::string& name, const std::string& value) {
  return absl::StrCat("<tr><th scope=\"row\">", HtmlText(name), "</th><td class=\"d\">",
                      HtmlText(value), "</td></tr>\n");
}

std::string ClassRow(const std::string& name, const v1::PairedScore& score) {
  const auto tokens = static_cast<double>(score.tokens());
  const auto cell = [](const std::string& text) { return "<td class=\"n\">" + text + "</td>"; };
  const auto mean = [&](double nats) {
    return cell(score.tokens() == 0 ? "-" : absl::StrFormat("%.4f", nats / tokens));
  };
  return absl::StrCat(
      "<tr><th scope=\"row\">", name, "</th>", cell(WithThousands(score.tokens())),
      mean(score.nll_a()), mean(score.nll_b()),
      cell(score.tokens() == 0 ? "-" : DifferenceText((score.nll_b() - score.nll_a()) / tokens)),
      "</tr>\n");
}

std::string Classes(const v1::PairedClassScores& scores) {
  return absl::StrCat(
      "<h2>By class of token</h2>\n<div class=\"wide\"><table>\n<tr><th>class</th><th class=\"n\">"
      "tokens</th><th class=\"n\">A</th><th class=\"n\">B</th><th class=\"n\">B - A</th></tr>\n",
      ClassRow("leaked", scores.leaked()), ClassRow("lookahead", scores.lookahead()),
      ClassRow("causal", scores.causal()),
      "</table></div>\n<p class=\"soft\">Nats per token. A token has the worst of its two classes. "
      "Leaked: the token itself was read before it was predicted. Lookahead: later text was. "
      "Causal: "
      "nothing after the predicting position was; only these make the difference above.</p>\n");
}

std::string Profile(const Comparison& comparison, const std::vector<PositionRange>& ranges) {
  if (ranges.empty()) return "";
  const bool continuation = comparison.started.mode() == v1::PERPLEXITY_MODE_CONTINUATION;
  return absl::StrCat(
      "<h2>By position</h2>\n<div class=\"wide\">", DifferencePlot(ranges),
      "</div>\n<p class=\"soft\">Exploratory: mean difference B - A of causal tokens by how many "
      "tokens "
      "they "
      "stand after ",
      continuation ? "the prefix" : "the first scored one",
      ". Each interval is 95 % for its own range alone; with many ranges some miss by chance. No "
      "verdict rests on them.</p>\n");
}

std::string Continuation(const PairedContinuation& pair) {
  const size_t common = CommonPrefix(pair.a, pair.b);
  const auto side = [&](const char* arm, const char* name, const std::string& text) {
    return absl::StrCat("<div><b class=\"", arm, "\">", name, "</b>",
                        HtmlText(text.substr(0, common)), "<span class=\"", arm, "\">",
                        HtmlText(text.substr(common)), "</span></div>\n");
  };
  return absl::StrCat("<div class=\"pair\"><p class=\"soft\">Document ", HtmlText(pair.document_id),
                      ": ", HtmlText(pair.prompt), "</p>\n", side("a", "A", pair.a),
                      side("b", "B", pair.b), "</div>\n");
}

std::string Continuations(const std::vector<PairedContinuation>& pairs) {
  if (pairs.empty()) return "";
  std::string html =
      "<h2>Continuations</h2>\n<p class=\"soft\">Greedy, from the beginnings of the first "
      "documents "
      "compared; coloured from where the arms part. They show drift, not quality.</p>\n";
  for (const PairedContinuation& pair : pairs) html += Continuation(pair);
  return html;
}

std::string ArmRows(const std::string& name, const v1::InForce& arm) {
  std::string rows = Row(name, ArmText(arm));
  if (!arm.scan().order().digest().empty()) {
    rows += Row(name + ": order", arm.scan().order().digest());
  }
  if (arm.has_adapter()) rows += Row(name + ": adapter", arm.adapter().digest());
  return rows;
}

std::string Provenance(const Comparison& comparison) {
  const v1::CompareStarted& started = comparison.started;
  return absl::StrCat(
      "<h2>What was compared</h2>\n<table>\n", ArmRows("A", started.a()), ArmRows("B", started.b()),
      Row("mode", ModeText(comparison)), Row("margin", absl::StrFormat("%g", started.margin())),
      Row("alpha", absl::StrFormat("%g", started.alpha())),
      Row("plan", started.plan() == v1::COMPARE_PLAN_HYBRID ? "hybrid" : "open-ended"),
      Row("seed", absl::StrCat(started.seed())), Row("model", started.a().model()),
      Row("model digest", started.a().model_digest()), Row("numerics", started.a().numerics_id()),
      Row("request", started.request_id()), "</table>\n");
}

std::string Findings(const Comparison& comparison) {
  std::string rows;
  for (const auto& [name, value] : CompareFindings(comparison)) rows += Row(name, value);
  return absl::StrCat("<table>\n", rows, "</table>\n");
}

}  // namespace

std::string HtmlText(absl::string_view text) {
  std::string html;
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    const absl::string_view bytes = text.substr(0, character.bytes);
    absl::StrAppend(&html, character.valid ? bytes : "\uFFFD");
    text.remove_prefix(character.bytes);
  }
  return absl::StrReplaceAll(
      html, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

size_t CommonPrefix(const std::string& a, const std::string& b) {
  size_t common = static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  const auto inside = [](const std::string& text, size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (common > 0 && (inside(a, common) || inside(b, common))) --common;
  return common;
}

std::string ComparePage(const Comparison& comparison, const std::vector<PositionRange>& ranges,
                        const std::vector<PairedContinuation>& continuations) {
  const v1::CompareEstimate& estimate = comparison.totals.estimate();
  const std::string title = absl::StrCat(ScanOrderText(comparison.started.b().scan()), " against ",
                                         ScanOrderText(comparison.started.a().scan()));
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
      HtmlText(title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<h1>",
      HtmlText(VerdictSentence(comparison)), "</h1>\n<p>A: <span class=\"a\">",
      HtmlText(ArmText(comparison.started.a())), "</span>. B: <span class=\"b\">",
      HtmlText(ArmText(comparison.started.b())), "</span>.</p>\n<p class=\"soft\">",
      HtmlText(comparison.started.no_verdict_reason()), "</p>\n", "<div class=\"wide\">",
      estimate.has_low() ? IntervalPlot(estimate, comparison.started.margin()) : "", "</div>\n",
      Findings(comparison), Classes(comparison.totals.scores()), Profile(comparison, ranges),
      Continuations(continuations), Provenance(comparison), "</body>\n</html>\n");
}

}  // namespace scanserve::client
