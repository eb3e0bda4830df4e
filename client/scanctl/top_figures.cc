#include "client/scanctl/top_figures.h"

#include <algorithm>
#include <utility>

namespace scanserve::client {
namespace {

using Labels = MetricSnapshot::Labels;

class Difference {
 public:
  Difference(const MetricSnapshot& earlier, const MetricSnapshot& later)
      : earlier_(earlier),
        later_(later),
        seconds_(std::max(absl::ToDoubleSeconds(later.time() - earlier.time()), 1e-3)) {}

  double Growth(absl::string_view counter, const Labels& labels = {}) const {
    return later_.Sum(counter, labels) - earlier_.Sum(counter, labels);
  }
  double Rate(absl::string_view counter, const Labels& labels = {}) const {
    return Growth(counter, labels) / seconds_;
  }
  HistogramCounts Observed(absl::string_view histogram, const Labels& labels = {}) const {
    return later_.Histogram(histogram, labels).Since(earlier_.Histogram(histogram, labels));
  }
  Quantiles QuantilesOf(std::string name, absl::string_view histogram,
                        const Labels& labels = {}) const {
    const HistogramCounts counts = Observed(histogram, labels);
    return {std::move(name), counts.Quantile(0.5), counts.Quantile(0.9), counts.Quantile(0.99),
            counts.count() / seconds_};
  }

 private:
  const MetricSnapshot& earlier_;
  const MetricSnapshot& later_;
  const double seconds_;
};

std::optional<double> Ratio(double part, double whole) {
  if (whole <= 0) return std::nullopt;
  return part / whole;
}

void FillSetting(const MetricSnapshot& now, TopFigures& figures) {
  constexpr absl::string_view kInfo = "scanserve_active_scan_info";
  figures.model = now.Label(kInfo, "model");
  figures.version = now.Label("scanserve_build_info", "version");
  figures.order = now.Label(kInfo, "order");
  figures.order_version = now.Label(kInfo, "version");
  figures.target_layers = now.Label(kInfo, "target_layers");
  figures.readout = now.Label(kInfo, "readout");
}

void FillRates(const Difference& difference, TopFigures& figures) {
  const auto requests = [&](const Labels& labels) {
    return difference.Rate("scanserve_requests_total", labels);
  };
  figures.requests = requests({});
  figures.cancelled = requests({{"code", "CANCELLED"}});
  figures.failed = std::max(0.0, figures.requests - figures.cancelled - requests({{"code", "OK"}}));
  figures.rejected = difference.Rate("scanserve_requests_rejected_total");
  figures.prompt_tokens = difference.Rate("scanserve_prompt_tokens_total");
  figures.generated_tokens = difference.Rate("scanserve_generated_tokens_total");
  figures.load = difference.Rate("scanserve_step_seconds_total");
  const HistogramCounts steps = difference.Observed("scanserve_step_tokens");
  figures.step_tokens = Ratio(steps.sum(), steps.count());
  const double hits = difference.Growth("scanserve_cached_tokens_total");
  figures.cache_hits = Ratio(hits, hits + difference.Growth("scanserve_missed_tokens_total"));
}

void FillGauges(const MetricSnapshot& now, TopFigures& figures) {
  figures.open_requests = now.Sum("scanserve_open_requests");
  figures.queued = now.Sum("scanserve_queued_requests");
  figures.queue_capacity = now.Sum("scanserve_queue_capacity_requests");
  figures.running = now.Sum("scanserve_running_sequences");
  figures.slots_used = now.Sum("scanserve_state_slots_used");
  figures.slots = now.Sum("scanserve_state_slots");
  figures.parked = now.Sum("scanserve_parked_requests");
  figures.cache_bytes = now.Sum("scanserve_cache_bytes");
  figures.cache_max_bytes = now.Sum("scanserve_cache_max_bytes");
  figures.memory_bytes = now.Sum("process_resident_memory_bytes");
}

void FillLatencies(const MetricSnapshot& now, const Difference& difference, TopFigures& figures) {
  constexpr absl::string_view kDuration = "scanserve_request_duration_seconds";
  figures.latencies = {
      difference.QuantilesOf("first token", "scanserve_time_to_first_token_seconds"),
      difference.QuantilesOf("next token", "scanserve_inter_token_latency_seconds"),
      difference.QuantilesOf("queue", "scanserve_queue_time_seconds")};
  for (const std::string& method : now.LabelValues(kDuration, "method")) {
    Quantiles quantiles = difference.QuantilesOf(method, kDuration, {{"method", method}});
    if (quantiles.per_second > 0) figures.latencies.push_back(std::move(quantiles));
  }
}

void FillArms(const MetricSnapshot& now, const Difference& difference, TopFigures& figures) {
  for (const std::string& arm : now.LabelValues("scanserve_requests_total", "arm")) {
    const Labels labels = {{"arm", arm}};
    const HistogramCounts first =
        difference.Observed("scanserve_time_to_first_token_seconds", labels);
    figures.arms.push_back(
        {arm, difference.Rate("scanserve_requests_total", labels),
         difference.Rate("scanserve_generated_tokens_total", labels), first.Quantile(0.5),
         first.Quantile(0.99),
         difference.Observed("scanserve_inter_token_latency_seconds", labels).Quantile(0.5)});
  }
}

Json OrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json LatenciesToJson(const std::vector<Quantiles>& latencies) {
  Json json = Json::array();
  for (const Quantiles& each : latencies) {
    json.push_back({{"name", each.name},
                    {"per_second", each.per_second},
                    {"p50_seconds", OrNull(each.p50)},
                    {"p90_seconds", OrNull(each.p90)},
                    {"p99_seconds", OrNull(each.p99)}});
  }
  return json;
}

Json ArmsToJson(const std::vector<ArmFigures>& arms) {
  Json json = Json::array();
  for (const ArmFigures& each : arms) {
    json.push_back({{"arm", each.arm},
                    {"requests_per_second", each.requests_per_second},
                    {"tokens_per_second", each.tokens_per_second},
                    {"first_token_p50_seconds", OrNull(each.first_token_p50)},
                    {"first_token_p99_seconds", OrNull(each.first_token_p99)},
                    {"next_token_p50_seconds", OrNull(each.next_token_p50)}});
  }
  return json;
}

}  // namespace

TopFigures FiguresBetween(const MetricSnapshot& earlier, const MetricSnapshot& later) {
  const Difference difference(earlier, later);
  TopFigures figures;
  figures.time = later.time();
  figures.interval = later.time() - earlier.time();
  FillSetting(later, figures);
  FillRates(difference, figures);
  FillGauges(later, figures);
  FillLatencies(later, difference, figures);
  FillArms(later, difference, figures);
  return figures;
}

Json FiguresToJson(const TopFigures& figures) {
  return {
      {"time", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", figures.time, absl::UTCTimeZone())},
      {"interval_seconds", absl::ToDoubleSeconds(figures.interval)},
      {"model", figures.model},
      {"version", figures.version},
      {"active",
       {{"order", figures.order},
        {"version", figures.order_version},
        {"target_layers", figures.target_layers},
        {"readout", figures.readout}}},
      {"per_second",
       {{"requests", figures.requests},
        {"failed", figures.failed},
        {"cancelled", figures.cancelled},
        {"rejected", figures.rejected},
        {"prompt_tokens", figures.prompt_tokens},
        {"generated_tokens", figures.generated_tokens}}},
      {"now",
       {{"open_requests", figures.open_requests},
        {"queued", figures.queued},
        {"queue_capacity", figures.queue_capacity},
        {"running", figures.running},
        {"slots_used", figures.slots_used},
        {"slots", figures.slots},
        {"parked", figures.parked},
        {"cache_bytes", figures.cache_bytes},
        {"cache_max_bytes", figures.cache_max_bytes},
        {"memory_bytes", figures.memory_bytes}}},
      {"load", figures.load},
      {"step_tokens", OrNull(figures.step_tokens)},
      {"cache_hits", OrNull(figures.cache_hits)},
      {"latencies", LatenciesToJson(figures.latencies)},
      {"arms", ArmsToJson(figures.arms)},
  };
}

}  // namespace scanserve::client
