#include "client/scanctl/top_view.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/number_text.h"
#include "client/table.h"
#include "client/terminal.h"

namespace scanserve::client {
namespace {

// Columns from which lines say a little more.
constexpr int kWide = 72;

std::string RateText(double rate) {
  return rate < 100 ? absl::StrFormat("%.1f", rate) : WithThousands(static_cast<int64_t>(rate));
}

std::string CountText(double count) { return WithThousands(static_cast<int64_t>(count)); }

std::string PercentText(const std::optional<double>& share) {
  return share ? absl::StrFormat("%.0f %%", *share * 100) : "-";
}

std::string SecondsText(const std::optional<double>& seconds) {
  return seconds ? DurationText(absl::Seconds(*seconds)) : "-";
}

std::string SettingText(const TopFigures& figures) {
  std::string text = figures.order;
  if (figures.order_version != "0") absl::StrAppend(&text, "@", figures.order_version);
  if (figures.target_layers != "all") absl::StrAppend(&text, ", layers ", figures.target_layers);
  if (figures.readout == "pin_last") absl::StrAppend(&text, ", pin-last");
  return text;
}

// What went wrong is shown only when something did.
std::string RequestsText(const TopFigures& figures) {
  std::string text = absl::StrCat(RateText(figures.requests), "/s");
  if (figures.failed > 0) absl::StrAppend(&text, ", ", RateText(figures.failed), " failed");
  if (figures.rejected > 0) absl::StrAppend(&text, ", ", RateText(figures.rejected), " rejected");
  if (figures.cancelled > 0) {
    absl::StrAppend(&text, ", ", RateText(figures.cancelled), " cancelled");
  }
  return text;
}

std::string EngineText(const TopFigures& figures, bool wide) {
  std::string text = absl::StrCat(PercentText(figures.load), " busy");
  if (figures.step_tokens && wide) {
    absl::StrAppend(&text, ", ", RateText(*figures.step_tokens), " tokens a step");
  }
  return text;
}

std::string QueueText(const TopFigures& figures) {
  return absl::StrCat(CountText(figures.queued), " of ", CountText(figures.queue_capacity));
}

std::string SlotsText(const TopFigures& figures) {
  std::string text = absl::StrCat(CountText(figures.slots_used), " of ", CountText(figures.slots));
  if (figures.parked > 0) absl::StrAppend(&text, ", ", CountText(figures.parked), " parked");
  return text;
}

std::string CacheText(const TopFigures& figures, bool wide) {
  const std::string used = BytesText(static_cast<int64_t>(figures.cache_bytes));
  const std::string hits = absl::StrCat(PercentText(figures.cache_hits), " hit");
  if (!wide) return absl::StrCat(hits, ", ", used);
  return absl::StrCat(hits, ", ", used, " of ",
                      BytesText(static_cast<int64_t>(figures.cache_max_bytes)));
}

Fields TopFields(const TopFigures& figures, const std::string& server, bool wide) {
  return {
      {"server",
       wide ? absl::StrCat(server, ", version ", figures.version, ", ",
                           absl::FormatTime("%H:%M:%S", figures.time, absl::LocalTimeZone()))
            : server},
      {"model", figures.model},
      {"order", SettingText(figures)},
      {"requests", RequestsText(figures)},
      {"tokens", absl::StrCat(RateText(figures.prompt_tokens), "/s in, ",
                              RateText(figures.generated_tokens), "/s out")},
      {"engine", EngineText(figures, wide)},
      {"slots", SlotsText(figures)},
      {"queue", QueueText(figures)},
      {"cache", CacheText(figures, wide)},
      {"memory", BytesText(static_cast<int64_t>(figures.memory_bytes))},
  };
}

// Names are cut before they could break a line.
std::string Shortened(const std::string& name, int width) {
  constexpr size_t kNarrowName = 11;
  if (width >= kWide || name.size() <= kNarrowName) return name;
  return absl::StrCat(name.substr(0, kNarrowName - 2), "..");
}

std::string LatencyTable(const std::vector<Quantiles>& latencies, int width, bool colour) {
  std::vector<Column> columns = {{"latency"},
                                 {"p50", Alignment::kRight},
                                 {"p90", Alignment::kRight},
                                 {"p99", Alignment::kRight}};
  if (width >= kWide) columns.push_back({"per second", Alignment::kRight});
  Table table(columns);
  for (const Quantiles& each : latencies) {
    std::vector<std::string> row = {Shortened(each.name, width), SecondsText(each.p50),
                                    SecondsText(each.p90), SecondsText(each.p99)};
    if (width >= kWide) row.push_back(RateText(each.per_second));
    table.AddRow(std::move(row));
  }
  return table.Layout(width, colour);
}

std::string ArmTable(const std::vector<ArmFigures>& arms, int width, bool colour) {
  Table table({{"arm"},
               {"requests/s", Alignment::kRight},
               {"tokens/s", Alignment::kRight},
               {"first p50", Alignment::kRight},
               {"p99", Alignment::kRight},
               {"next p50", Alignment::kRight}});
  for (const ArmFigures& each : arms) {
    table.AddRow({Escaped(each.arm), RateText(each.requests_per_second),
                  RateText(each.tokens_per_second), SecondsText(each.first_token_p50),
                  SecondsText(each.first_token_p99), SecondsText(each.next_token_p50)});
  }
  return table.Layout(width, colour);
}

}  // namespace

std::string LayoutTop(const TopFigures& figures, const std::string& server, int width,
                      bool colour) {
  std::string text = LayoutFields(TopFields(figures, server, width >= kWide), colour);
  absl::StrAppend(&text, "\n", LatencyTable(figures.latencies, width, colour));
  if (!figures.arms.empty()) {
    absl::StrAppend(&text, "\n", ArmTable(figures.arms, width, colour));
  }
  return text;
}

}  // namespace scanserve::client
