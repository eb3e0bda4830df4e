#include "client/scanctl/bench_report.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/number_text.h"
#include "client/table.h"

namespace scanserve::client {
namespace {

struct Latency {
  const char* title;
  const char* key;
  const BenchSamples& samples;
};

std::array<Latency, 5> LatenciesOf(const BenchEntryResults& entry) {
  return {{{"start delay", "start_delay", entry.start_delay},
           {"time to first token", "time_to_first_token", entry.time_to_first_token},
           {"inter-token latency", "inter_token_latency", entry.inter_token_latency},
           {"time per output token", "time_per_output_token", entry.time_per_output_token},
           {"end to end", "end_to_end", entry.end_to_end}}};
}

double PerSecond(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

// Milliseconds in three digits or more, so that columns can be compared.
std::string Milliseconds(double seconds) {
  const double value = seconds * 1000;
  if (value < 10) return absl::StrFormat("%.2f", value);
  if (value < 100) return absl::StrFormat("%.1f", value);
  return WithThousands(static_cast<int64_t>(value + 0.5));
}

std::string LatencyTable(const BenchReport& report, const BenchEntryResults& entry, int columns,
                         bool colour) {
  Table table({{"milliseconds"},
               {"count", Alignment::kRight},
               {"mean", Alignment::kRight},
               {"p50", Alignment::kRight},
               {"p90", Alignment::kRight},
               {"p99", Alignment::kRight},
               {"max", Alignment::kRight}});
  for (const Latency& latency : LatenciesOf(entry)) {
    // Clients of a closed loop have no time to keep.
    if (&latency.samples == &entry.start_delay && report.settings.rate == 0) continue;
    const BenchSummary summary = latency.samples.Summarize();
    if (summary.count == 0) continue;
    table.AddRow({latency.title, WithThousands(summary.count), Milliseconds(summary.mean),
                  Milliseconds(summary.p50), Milliseconds(summary.p90), Milliseconds(summary.p99),
                  Milliseconds(summary.max)});
  }
  return entry.completed == 0 ? "" : table.Layout(columns, colour);
}

std::string LoadText(const BenchSettings& settings) {
  if (settings.rate == 0) {
    std::string text = absl::StrCat("closed loop, ", settings.clients, " clients");
    if (settings.think_time > absl::ZeroDuration()) {
      absl::StrAppend(&text, ", thinking ", DurationText(settings.think_time));
    }
    return text;
  }
  return absl::StrCat("open loop, ", settings.rate, " requests/s, ",
                      settings.poisson ? "Poisson" : "constant", ", at most ", settings.clients,
                      " in flight");
}

std::string PromptText(const BenchSettings& settings) {
  std::string text = settings.prompt_file.empty()
                         ? absl::StrCat(BenchLengthText(settings.prompt_tokens), " tokens, drawn")
                         : absl::StrCat("lines of ", Escaped(settings.prompt_file));
  if (settings.shared_prefix > 0) {
    absl::StrAppend(&text, absl::StrFormat(", first %g %% shared", settings.shared_prefix * 100));
  }
  return text;
}

std::string RequestsText(const BenchReport& report, const BenchTotals& totals) {
  std::string text = absl::StrCat(WithThousands(totals.completed), " completed, ",
                                  WithThousands(totals.failed), " failed");
  if (totals.unfinished > 0) {
    absl::StrAppend(&text, ", ", WithThousands(totals.unfinished), " cut off");
  }
  if (report.load.not_sent > 0) {
    absl::StrAppend(&text, ", ", WithThousands(report.load.not_sent), " due but not sent");
  }
  return text;
}

std::string TokensText(int64_t tokens, double seconds) {
  return absl::StrFormat("%s, %.1f/s", WithThousands(tokens), PerSecond(tokens, seconds));
}

Fields Summary(const BenchReport& report) {
  const BenchTotals totals = report.results.totals();
  const double seconds = report.results.seconds();
  Fields fields = {
      {"server", absl::StrCat(report.server, ", ", report.info.model().name(), ", ",
                              report.info.threads(), " threads, version ", report.info.version())},
      {"load", LoadText(report.settings)},
      {"prompts", PromptText(report.settings)},
      {"outputs", absl::StrCat(BenchLengthText(report.settings.output_tokens), " tokens")},
      {"seed", absl::StrCat(report.settings.seed)},
      {"time", DurationText(absl::Seconds(seconds))},
      {"requests", RequestsText(report, totals)},
      {"requests/s", absl::StrFormat("%.2f", PerSecond(totals.completed, seconds))},
      {"prompt tokens", TokensText(totals.prompt_tokens, seconds)},
      {"generated tokens", TokensText(totals.generated_tokens, seconds)}};
  if (totals.cached_tokens > 0) {
    fields.emplace_back("cached tokens", WithThousands(totals.cached_tokens));
  }
  return fields;
}

std::string ErrorTable(const BenchEntryResults& entry, int columns, bool colour) {
  if (entry.errors.empty()) return "";
  Table table({{"error"}, {"count", Alignment::kRight}, {"first message"}});
  for (const auto& [code, errors] : entry.errors) {
    table.AddRow({absl::StatusCodeToString(code), WithThousands(errors.count),
                  Escaped(errors.first_message)});
  }
  return table.Layout(columns, colour);
}

Json EntryJson(const BenchReport& report, size_t index) {
  const BenchEntryResults& entry = report.results.entries()[index];
  const double seconds = report.results.seconds();
  Json latencies;
  for (const Latency& latency : LatenciesOf(entry)) {
    const BenchSummary summary = latency.samples.Summarize();
    latencies[latency.key] = {{"count", summary.count}, {"mean", summary.mean},
                              {"p50", summary.p50},     {"p90", summary.p90},
                              {"p99", summary.p99},     {"max", summary.max}};
  }
  Json errors = Json::array();
  for (const auto& [code, of_code] : entry.errors) {
    errors.push_back({{"code", absl::StatusCodeToString(code)},
                      {"count", of_code.count},
                      {"first_message", of_code.first_message}});
  }
  return {{"entry", BenchMixEntryText(report.settings.mix[index])},
          {"completed", entry.completed},
          {"failed", entry.failed},
          {"unfinished", entry.unfinished},
          {"requests_per_second", PerSecond(entry.completed, seconds)},
          {"prompt_tokens", entry.prompt_tokens},
          {"prompt_tokens_per_second", PerSecond(entry.prompt_tokens, seconds)},
          {"cached_tokens", entry.cached_tokens},
          {"generated_tokens", entry.generated_tokens},
          {"generated_tokens_per_second", PerSecond(entry.generated_tokens, seconds)},
          {"seconds", std::move(latencies)},
          {"errors", std::move(errors)}};
}

}  // namespace

std::string BenchReportText(const BenchReport& report, int columns, bool colour) {
  std::string text = LayoutFields(Summary(report), colour);
  for (size_t i = 0; i < report.results.entries().size(); ++i) {
    const BenchEntryResults& entry = report.results.entries()[i];
    absl::StrAppend(&text, "\n", Bold(BenchMixEntryText(report.settings.mix[i]), colour), ": ",
                    WithThousands(entry.completed), " completed\n",
                    LatencyTable(report, entry, columns, colour),
                    ErrorTable(entry, columns, colour));
  }
  return text;
}

Json BenchReportJson(const BenchReport& report) {
  const BenchTotals totals = report.results.totals();
  const double seconds = report.results.seconds();
  Json json;
  json["server"] = {{"address", report.server},
                    {"version", report.info.version()},
                    {"model", report.info.model().name()},
                    {"model_digest", report.info.model().digest()},
                    {"numerics_id", report.info.numerics_id()},
                    {"kernel_target", report.info.kernel_target()},
                    {"threads", report.info.threads()},
                    {"slots", report.info.engine().slots_total()}};
  json["settings"] = BenchSettingsJson(report.settings);
  json["interrupted"] = report.load.stopped;
  json["duration_seconds"] = seconds;
  json["completed"] = totals.completed;
  json["failed"] = totals.failed;
  json["unfinished"] = totals.unfinished;
  json["not_sent"] = report.load.not_sent;
  json["requests_per_second"] = PerSecond(totals.completed, seconds);
  json["prompt_tokens"] = totals.prompt_tokens;
  json["prompt_tokens_per_second"] = PerSecond(totals.prompt_tokens, seconds);
  json["cached_tokens"] = totals.cached_tokens;
  json["generated_tokens"] = totals.generated_tokens;
  json["generated_tokens_per_second"] = PerSecond(totals.generated_tokens, seconds);
  json["mix"] = Json::array();
  for (size_t i = 0; i < report.results.entries().size(); ++i) {
    json["mix"].push_back(EntryJson(report, i));
  }
  return json;
}

}  // namespace scanserve::client
