#include "server/request_metrics.h"

#include <algorithm>
#include <utility>

#include "core/store/order_record.h"

namespace scanserve::server {
namespace {

constexpr absl::string_view kGenerate = "Generate";
// The methods that ask the engine; of the others, series appear with their first call.
constexpr absl::string_view kEngineMethods[] = {kGenerate, "ComputePerplexity", "Compare",
                                                "ExtractHiddenStates"};

const char* Reason(Rejection rejection) {
  switch (rejection) {
    case Rejection::kNone:
      break;
    case Rejection::kOverload:
      return "overload";
    case Rejection::kRateLimit:
      return "rate_limit";
    case Rejection::kDraining:
      return "draining";
  }
  return "";
}

// Clocks may be set back.
double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(std::max(duration, absl::ZeroDuration()));
}

// With one more label, unless its value is empty.
prometheus::Labels With(prometheus::Labels labels, const char* name, const std::string& value) {
  if (!value.empty()) labels.emplace(name, value);
  return labels;
}

prometheus::Labels Of(absl::string_view method) { return {{"method", std::string(method)}}; }

}  // namespace

// Makes families of one model.
class RequestMetrics::FamilyMaker {
 public:
  FamilyMaker(MetricRegistry& registry, const std::string& model)
      : registry_(registry), labels_{{"model", model}} {}

  prometheus::Family<prometheus::Counter>& Counter(const char* name, const char* help) const {
    return Make(prometheus::BuildCounter(), name, help);
  }
  prometheus::Family<prometheus::Gauge>& Gauge(const char* name, const char* help) const {
    return Make(prometheus::BuildGauge(), name, help);
  }
  prometheus::Family<prometheus::Histogram>& Histogram(const char* name, const char* help) const {
    return Make(prometheus::BuildHistogram(), name, help);
  }

 private:
  template <typename Metric>
  prometheus::Family<Metric>& Make(prometheus::detail::Builder<Metric> builder, const char* name,
                                   const char* help) const {
    return builder.Name(name).Help(help).Labels(labels_).Register(registry_.kept());
  }

  MetricRegistry& registry_;
  const prometheus::Labels labels_;
};

class RequestMetrics::StepCounter final : public runtime::EngineObserver {
 public:
  explicit StepCounter(prometheus::Histogram& tokens) : tokens_(tokens) {}
  void OnStep(int64_t tokens) override { tokens_.Observe(static_cast<double>(tokens)); }

 private:
  prometheus::Histogram& tokens_;
};

class RequestMetrics::RequestCounter final : public runtime::RequestObserver {
 public:
  RequestCounter(RequestMetrics& metrics, const std::string& method, const RequestLabels& labels) {
    const MetricsOptions& options = metrics.options_;
    const prometheus::Labels timed = With(Of(method), "arm", labels.arm);
    const prometheus::Labels counted = With(timed, "adapter", labels.adapter);
    queue_time_ = &metrics.queue_time_.Add(timed, options.duration_buckets);
    prompt_tokens_ = &metrics.prompt_tokens_.Add(counted);
    if (method != kGenerate) return;
    generated_tokens_ = &metrics.generated_tokens_.Add(counted);
    time_to_first_token_ =
        &metrics.time_to_first_token_.Add(timed, options.time_to_first_token_buckets);
    inter_token_latency_ =
        &metrics.inter_token_latency_.Add(timed, options.inter_token_latency_buckets);
  }

  void OnStarted(absl::Duration queue_time, int64_t tokens) override {
    queue_time_->Observe(Seconds(queue_time));
    prompt_tokens_->Increment(static_cast<double>(tokens));
  }
  void OnFirstToken(absl::Duration since_submission) override {
    time_to_first_token_->Observe(Seconds(since_submission));
  }
  void OnToken(std::optional<absl::Duration> since_previous) override {
    generated_tokens_->Increment();
    if (since_previous) inter_token_latency_->Observe(Seconds(*since_previous));
  }

 private:
  prometheus::Histogram* queue_time_;
  prometheus::Counter* prompt_tokens_;
  // Of Generate, which alone chooses tokens.
  prometheus::Counter* generated_tokens_ = nullptr;
  prometheus::Histogram* time_to_first_token_ = nullptr;
  prometheus::Histogram* inter_token_latency_ = nullptr;
};

RequestMetrics::RequestMetrics(MetricRegistry& registry, const MetricsOptions& options,
                               const std::string& model)
    : RequestMetrics(FamilyMaker(registry, model), options) {}

RequestMetrics::RequestMetrics(const FamilyMaker& make, const MetricsOptions& options)
    : options_(options),
      orders_(std::string(store::kIdentityName)),
      adapters_(kBaseModelLabel),
      requests_(make.Counter("scanserve_requests_total", "RPCs that ended.")),
      rejected_(make.Counter("scanserve_requests_rejected_total",
                             "RPCs turned away because of load or because the server stops.")),
      cancelled_(
          make.Counter("scanserve_requests_cancelled_total", "RPCs that ended with CANCELLED.")),
      open_(make.Gauge("scanserve_open_requests", "RPCs that have arrived and not ended.")),
      prompt_tokens_(make.Counter("scanserve_prompt_tokens_total",
                                  "Tokens of prompts, documents and extractions begun.")),
      generated_tokens_(make.Counter("scanserve_generated_tokens_total", "Tokens chosen.")),
      request_duration_(make.Histogram("scanserve_request_duration_seconds",
                                       "From an RPC's arrival to its status.")),
      queue_time_(make.Histogram("scanserve_queue_time_seconds",
                                 "From the submission to the engine to the state slot.")),
      time_to_first_token_(make.Histogram("scanserve_time_to_first_token_seconds",
                                          "From the submission to the engine to the first token.")),
      inter_token_latency_(make.Histogram("scanserve_inter_token_latency_seconds",
                                          "From one token of an answer to the next.")),
      steps_(std::make_unique<StepCounter>(
          make.Histogram("scanserve_step_tokens", "Tokens in a step of the engine.")
              .Add({}, options_.step_token_buckets))) {
  BeginAtZero();
}

RequestMetrics::~RequestMetrics() = default;

runtime::EngineObserver* RequestMetrics::engine_observer() { return steps_.get(); }

void RequestMetrics::BeginAtZero() {
  for (const absl::string_view method : kEngineMethods) {
    open_.Add(Of(method));
    cancelled_.Add(Of(method));
    for (const Rejection rejection :
         {Rejection::kOverload, Rejection::kRateLimit, Rejection::kDraining}) {
      rejected_.Add(With(Of(method), "reason", Reason(rejection)));
    }
  }
}

RequestLabels RequestMetrics::Capped(const RequestLabels& labels) {
  return {orders_.Value(labels.order), adapters_.Value(labels.adapter), arms_.Value(labels.arm)};
}

void RequestMetrics::CountArrival(absl::string_view method) { open_.Add(Of(method)).Increment(); }

void RequestMetrics::CountEnd(absl::string_view method, const RequestLabels& labels,
                              const CallEnd& end) {
  const RequestLabels capped = Capped(labels);
  open_.Add(Of(method)).Decrement();
  if (end.code == "CANCELLED") cancelled_.Add(Of(method)).Increment();
  if (end.rejection != Rejection::kNone) {
    rejected_.Add(With(Of(method), "reason", Reason(end.rejection))).Increment();
  }
  const prometheus::Labels with_arm = With(Of(method), "arm", capped.arm);
  request_duration_.Add(with_arm, options_.duration_buckets).Observe(Seconds(end.duration));
  requests_.Add(With(With(with_arm, "code", end.code), "order", capped.order)).Increment();
}

runtime::RequestObserver* RequestMetrics::ObserverOf(absl::string_view method,
                                                     const RequestLabels& labels) {
  const RequestLabels capped = Capped(labels);
  const std::string name(method);
  base::MutexLock lock(mutex_);
  auto& observer = observers_[{name, capped.adapter, capped.arm}];
  if (observer == nullptr) observer = std::make_unique<RequestCounter>(*this, name, capped);
  return observer.get();
}

}  // namespace scanserve::server
