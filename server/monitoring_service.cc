#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "core/base/status_macros.h"
#include "core/ops/kernel_target.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"
#include "server/audit_handlers.h"
#include "server/convert_scan.h"
#include "server/convert_time.h"
#include "server/metrics_stream_call.h"
#include "server/request_setting.h"
#include "server/services.h"
#include "server/unary_call.h"

namespace scanserve::server {
namespace {

v1::ModelInfo ModelToProto(const model::LanguageModel& model) {
  v1::ModelInfo proto;
  proto.set_name(model.name);
  proto.set_digest(model.digest);
  proto.set_tokenizer_digest(model.tokenizer_digest);
  proto.set_parameters(model.parameters);
  proto.set_layers(static_cast<int32_t>(model.config.num_layers));
  proto.set_hidden_size(static_cast<int32_t>(model.config.hidden_size));
  proto.set_inner_size(static_cast<int32_t>(model.config.inner_size));
  proto.set_state_size(static_cast<int32_t>(model.config.state_size));
  proto.set_conv_kernel(static_cast<int32_t>(model.config.conv_kernel));
  proto.set_vocabulary_size(static_cast<int32_t>(model.config.vocab_size));
  proto.set_weight_type(model.weight_type);
  proto.set_weight_bytes(model.weight_bytes);
  proto.mutable_eos_token_ids()->Assign(model.generation.eos_token_ids.begin(),
                                        model.generation.eos_token_ids.end());
  return proto;
}

v1::EngineInfo EngineToProto(const runtime::EngineStats& stats) {
  v1::EngineInfo proto;
  proto.set_slots_total(stats.slots_total);
  proto.set_slots_used(stats.slots_used);
  proto.set_running(static_cast<int32_t>(stats.running));
  proto.set_queued(static_cast<int32_t>(stats.queued));
  proto.set_steps(stats.steps);
  proto.set_queued_low(static_cast<int32_t>(stats.queued_low));
  proto.set_queued_tokens(stats.queued_tokens);
  proto.set_parked(static_cast<int32_t>(stats.parked));
  proto.set_parked_bytes(stats.parked_bytes);
  proto.set_extraction_bytes(stats.extraction_bytes);
  return proto;
}

v1::CacheInfo CacheToProto(const runtime::PrefixCacheStats& stats, int64_t block_tokens) {
  v1::CacheInfo proto;
  proto.set_max_bytes(stats.max_bytes);
  proto.set_block_tokens(block_tokens);
  proto.set_bytes(stats.bytes);
  proto.set_entries(stats.entries);
  proto.set_lookups(stats.lookups);
  proto.set_hit_tokens(stats.hit_tokens);
  proto.set_missed_tokens(stats.missed_tokens);
  proto.set_evictions(stats.evictions);
  return proto;
}

v1::Limits LimitsToProto(const ServerOptions& options) {
  v1::Limits proto;
  proto.set_prompt_bytes(options.limits.prompt_bytes);
  proto.set_prompt_tokens(options.limits.prompt_tokens);
  proto.set_subset_prompt_tokens(options.limits.subset_prompt_tokens);
  proto.set_new_tokens(options.limits.new_tokens);
  proto.set_perplexity_tokens(options.limits.perplexity_tokens);
  proto.set_extraction_bytes(options.limits.extraction_bytes);
  proto.set_message_bytes(options.max_message_bytes);
  return proto;
}

class MonitoringService final : public v1::MonitoringService::CallbackService {
 public:
  explicit MonitoringService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest*,
                                          v1::GetServerInfoResponse* response) override {
    return UnaryCall::Start(backend_, "GetServerInfo", context, nullptr,
                            [this, response](Call&) { return FillInfo(response); });
  }

  grpc::ServerUnaryReactor* ReadAuditLog(grpc::CallbackServerContext* context,
                                         const v1::ReadAuditLogRequest* request,
                                         v1::ReadAuditLogResponse* response) override {
    return UnaryCall::Start(backend_, "ReadAuditLog", context, &backend_.storing(),
                            [this, request, response](Call&) {
                              return server::ReadAuditLog(backend_, *request, response);
                            });
  }

  grpc::ServerWriteReactor<v1::StreamMetricsResponse>* StreamMetrics(
      grpc::CallbackServerContext* context, const v1::StreamMetricsRequest* request) override {
    return StartStreamMetrics(backend_, open_streams_, context, *request);
  }

 private:
  absl::Status FillInfo(v1::GetServerInfoResponse* response) {
    SCANSERVE_ASSIGN_OR_RETURN(const store::ActiveSetting active, backend_.scans().ActiveSetting());
    const ServerOptions& options = backend_.options();
    response->set_version(SCANSERVE_VERSION);
    *response->mutable_started() = TimestampToProto(backend_.started());
    *response->mutable_model() = ModelToProto(backend_.model());
    *response->mutable_active() = ActiveSettingToProto(active);
    if (const AdapterPtr assigned = backend_.adapters().default_adapter()) {
      *response->mutable_default_adapter() = AdapterRefToProto(*assigned);
    }
    response->set_numerics_id(NumericsId(options.numerics));
    response->set_kernel_target(std::string(ops::KernelTargetName()));
    const int processors = static_cast<int>(std::thread::hardware_concurrency());
    response->set_threads(options.engine.threads == 0 ? std::max(1, processors)
                                                      : options.engine.threads);
    const runtime::EngineStats stats = backend_.engine().stats();
    *response->mutable_engine() = EngineToProto(stats);
    *response->mutable_limits() = LimitsToProto(options);
    *response->mutable_cache() =
        CacheToProto(stats.prefix_cache, options.engine.prefix_block_tokens);
    return absl::OkStatus();
  }

  Backend& backend_;
  // Each costs a scrape each interval.
  OpenLimit open_streams_{8, "metric streams"};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeMonitoringService(Backend& backend) {
  return std::make_unique<MonitoringService>(backend);
}

}  // namespace scanserve::server
