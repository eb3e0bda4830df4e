// Counts every RPC and what the engine does for it, each event in one place.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/runtime/observer.h"
#include "server/capped_label.h"
#include "server/metric_registry.h"
#include "server/metrics_options.h"

namespace scanserve::server {

// The label `adapter` of what runs on the base model.
inline constexpr char kBaseModelLabel[] = "base";

// What users named, of an RPC or of what the engine does for it. Empty does not apply.
struct RequestLabels {
  std::string order;
  std::string adapter;
  std::string arm;
};

// Why a call was turned away before anything was done for it: too much is asked of the server, too
// much by this caller, or the server stops.
enum class Rejection { kNone, kOverload, kRateLimit, kDraining };

// How a call ended.
struct CallEnd {
  std::string code;  // as gRPC writes it, e.g. "RESOURCE_EXHAUSTED"
  Rejection rejection = Rejection::kNone;
  absl::Duration duration;
};

// Thread-safe. Outlives every call and the engine.
class RequestMetrics {
 public:
  // `model` is the one served.
  RequestMetrics(MetricRegistry& registry, const MetricsOptions& options, const std::string& model);
  ~RequestMetrics();

  void CountArrival(absl::string_view method);
  void CountEnd(absl::string_view method, const RequestLabels& labels, const CallEnd& end);

  // Who counts what the engine does for a request of `method`.
  runtime::RequestObserver* ObserverOf(absl::string_view method, const RequestLabels& labels);
  runtime::EngineObserver* engine_observer();

 private:
  class FamilyMaker;
  class StepCounter;
  class RequestCounter;
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  RequestMetrics(const FamilyMaker& make, const MetricsOptions& options);

  // Series that calls will have, at 0 before the first.
  void BeginAtZero();
  RequestLabels Capped(const RequestLabels& labels);

  const MetricsOptions options_;
  CappedLabel orders_;
  CappedLabel adapters_;
  CappedLabel arms_;
  Counters& requests_;
  Counters& rejected_;
  Counters& cancelled_;
  Gauges& open_;
  Counters& prompt_tokens_;
  Counters& generated_tokens_;
  Histograms& request_duration_;
  Histograms& queue_time_;
  Histograms& time_to_first_token_;
  Histograms& inter_token_latency_;
  const std::unique_ptr<StepCounter> steps_;
  base::Mutex mutex_;
  // By method, adapter and arm.
  std::map<std::tuple<std::string, std::string, std::string>, std::unique_ptr<RequestCounter>>
      observers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
