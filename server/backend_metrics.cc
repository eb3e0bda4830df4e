#include "server/backend_metrics.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/metric_family.h"

namespace scanserve::server {
namespace {

constexpr size_t kShortDigest = 12;

using Families = std::vector<prometheus::MetricFamily>;

// Adds families of the one model.
class ModelFamilies {
 public:
  ModelFamilies(const std::string& model, Families& families)
      : labels_{{"model", model}}, families_(families) {}

  template <typename Number>
  void Gauge(const char* name, const char* help, Number value) {
    families_.push_back(GaugeOf(name, help, labels_, static_cast<double>(value)));
  }
  template <typename Number>
  void Counter(const char* name, const char* help, Number value) {
    families_.push_back(CounterOf(name, help, labels_, static_cast<double>(value)));
  }
  void Info(const char* name, const char* help, const MetricLabels& labels) {
    MetricLabels all = labels_;
    all.insert(all.end(), labels.begin(), labels.end());
    families_.push_back(GaugeOf(name, help, all, 1));
  }
  const MetricLabels& labels() const { return labels_; }

 private:
  const MetricLabels labels_;
  Families& families_;
};

// Seconds since 1970; 0 for what has not happened.
double Timestamp(absl::Time time) {
  return time == absl::InfinitePast() ? 0 : absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

void AddSlots(const runtime::EngineStats& stats, ModelFamilies& add) {
  add.Gauge("scanserve_running_sequences", "Sequences that take part in steps.", stats.running);
  add.Gauge("scanserve_state_slots", "Sequences that may run at once.", stats.slots_total);
  add.Gauge("scanserve_state_slots_used", "State slots that are taken.", stats.slots_used);
  add.Gauge("scanserve_parked_requests", "Requests without a slot, whose clients do not read.",
            stats.parked);
  add.Gauge("scanserve_parked_bytes", "Memory of the states of parked requests.",
            stats.parked_bytes);
  add.Gauge("scanserve_extraction_bytes", "Hidden states that are collected or not yet sent.",
            stats.extraction_bytes);
}

void AddQueue(const runtime::EngineStats& stats, int64_t capacity, ModelFamilies& add,
              Families& families) {
  auto queued = MakeFamily(prometheus::MetricType::Gauge, "scanserve_queued_requests",
                           "Requests that wait for a state slot.");
  const auto add_queued = [&](const char* priority, int64_t requests) {
    MetricLabels labels = add.labels();
    labels.emplace_back("priority", priority);
    AddValue(queued, labels, static_cast<double>(requests));
  };
  add_queued("normal", stats.queued - stats.queued_low);
  add_queued("low", stats.queued_low);
  families.push_back(std::move(queued));
  add.Gauge("scanserve_queued_tokens", "Tokens that waiting requests will read.",
            stats.queued_tokens);
  add.Gauge("scanserve_queue_capacity_requests", "Requests that may wait.", capacity);
}

void AddSteps(const runtime::EngineStats& stats, ModelFamilies& add) {
  add.Counter("scanserve_steps_total", "Steps of the engine.", stats.steps);
  add.Counter("scanserve_step_seconds_total", "Time that steps took.",
              absl::ToDoubleSeconds(stats.step_time));
  add.Gauge("scanserve_last_step_timestamp_seconds", "When the last step ended.",
            Timestamp(stats.last_step));
}

void AddCache(const runtime::PrefixCacheStats& stats, ModelFamilies& add) {
  add.Counter("scanserve_cache_lookups_total", "Prompts looked up in the prefix cache.",
              stats.lookups);
  add.Counter("scanserve_cached_tokens_total", "Tokens of those prompts that were found.",
              stats.hit_tokens);
  add.Counter("scanserve_missed_tokens_total", "Tokens of those prompts that had to be read.",
              stats.missed_tokens);
  add.Counter("scanserve_cache_evictions_total", "Entries that made room for others.",
              stats.evictions);
  add.Gauge("scanserve_cache_bytes", "Memory of the prefix cache's entries.", stats.bytes);
  add.Gauge("scanserve_cache_max_bytes", "Most memory that they may take.", stats.max_bytes);
  add.Gauge("scanserve_cache_entries", "States in the prefix cache.", stats.entries);
}

void AddActiveScan(const ScanSelector& scans, ModelFamilies& add) {
  const ScanSelector::Served served = scans.served();
  const store::ScanSetting& setting = served.scan->setting;
  add.Info(
      "scanserve_active_scan_info", "The active scan setting.",
      {{"order", setting.order_name},
       {"version", absl::StrCat(setting.order_version)},
       {"digest", setting.order_digest.substr(0, kShortDigest)},
       {"target_layers",
        setting.target_layers.empty() ? "all" : absl::StrJoin(setting.target_layers, ",")},
       {"readout", setting.readout == order::Readout::kPinLast ? "pin_last" : "natural_last"}});
  add.Gauge("scanserve_active_scan_revision", "Revision that made the setting active.",
            served.scan->revision);
  add.Counter("scanserve_order_switches_total", "Changes of the active scan setting.",
              served.switches);
}

}  // namespace

Families BackendMetrics::Collect() const {
  const model::LanguageModel& model = backend_.model();
  const runtime::EngineStats stats = backend_.engine().stats();
  Families families;
  ModelFamilies add(model.name, families);
  AddSlots(stats, add);
  AddQueue(stats, backend_.options().engine.queued_requests, add, families);
  AddSteps(stats, add);
  AddCache(stats.prefix_cache, add);
  AddActiveScan(backend_.scans(), add);
  add.Info("scanserve_model_info", "The model served.",
           {{"digest", model.digest.substr(0, kShortDigest)},
            {"tokenizer_digest", model.tokenizer_digest.substr(0, kShortDigest)},
            {"weight_type", model.weight_type},
            {"numerics", NumericsId(backend_.options().numerics)}});
  families.push_back(GaugeOf("scanserve_store_last_success_timestamp_seconds",
                             "When the store was last opened or changed with success.", {},
                             Timestamp(backend_.store().last_success())));
  families.push_back(CounterOf("scanserve_audit_write_failures_total",
                               "How often the disk refused audit records.", {},
                               static_cast<double>(backend_.audit().write_failures())));
  families.push_back(CounterOf("scanserve_audit_records_lost_total",
                               "Audit records lost while the disk refused them.", {},
                               static_cast<double>(backend_.audit().lost())));
  return families;
}

}  // namespace scanserve::server
