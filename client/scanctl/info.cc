// scanctl info
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/scanctl/commands.h"
#include "client/table.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"

namespace scanserve::client {
namespace {

std::string DefaultAdapterText(const v1::GetServerInfoResponse& info) {
  if (!info.has_default_adapter()) return "none";
  return absl::StrCat(info.default_adapter().name(), "@", info.default_adapter().version());
}

std::string CacheText(const v1::CacheInfo& cache) {
  if (cache.max_bytes() == 0) return "off";
  const int64_t tokens = cache.hit_tokens() + cache.missed_tokens();
  const std::string hits = tokens == 0 ? "none asked for"
                                       : absl::StrCat(WithThousands(cache.hit_tokens()), " of ",
                                                      WithThousands(tokens), " tokens hit");
  return absl::StrCat(WithThousands(cache.entries()), " states, ", BytesText(cache.bytes()), " of ",
                      BytesText(cache.max_bytes()), ", ", hits);
}

Fields InfoFields(const v1::GetServerInfoResponse& info, const std::string& server) {
  const v1::ModelInfo& model = info.model();
  const v1::EngineInfo& engine = info.engine();
  const v1::Limits& limits = info.limits();
  return {
      {"server", absl::StrCat(server, ", version ", info.version())},
      {"started", TimeText(info.started())},
      {"model", model.name()},
      {"digest", ShortDigest(model.digest())},
      {"parameters", absl::StrCat(WithThousands(model.parameters()), ", stored as ",
                                  model.weight_type(), ", ", BytesText(model.weight_bytes()))},
      {"shape", absl::StrCat(model.layers(), " layers of ", model.hidden_size(), ", inner ",
                             model.inner_size(), ", state ", model.state_size(), ", conv ",
                             model.conv_kernel())},
      {"vocabulary", absl::StrCat(WithThousands(model.vocabulary_size()), ", end of text ",
                                  absl::StrJoin(model.eos_token_ids(), ","))},
      {"active order", absl::StrCat(ScanSettingText(info.active().setting()), ", revision ",
                                    info.active().revision())},
      {"adapter", DefaultAdapterText(info)},
      {"numerics", absl::StrCat(info.numerics_id(), ", ", info.kernel_target(), ", ",
                                info.threads(), " threads")},
      {"slots", absl::StrCat(engine.slots_used(), " of ", engine.slots_total(), " used")},
      {"requests", absl::StrCat(engine.running(), " running, ", engine.queued(), " queued, ",
                                engine.parked(), " parked")},
      {"steps", WithThousands(engine.steps())},
      {"prefix cache", CacheText(info.cache())},
      {"limits", absl::StrCat(BytesText(limits.prompt_bytes()), " and ",
                              WithThousands(limits.prompt_tokens()), " tokens a prompt, ",
                              WithThousands(limits.new_tokens()), " new")},
  };
}

absl::Status Info(Session& session) {
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response,
      UnaryCall(session.connection, &v1::MonitoringService::Stub::GetServerInfo,
                v1::GetServerInfoRequest()));
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(LayoutFields(InfoFields(response, session.connection.server()),
                                           session.terminal.output_colour));
}

}  // namespace

void AddInfo(Program& program) {
  CLI::App& app = *program.app.add_subcommand("info", "Show what the server serves, and how");
  app.footer("Example:\n  scanctl info --server 127.0.0.1:50051");
  app.callback([&program] { program.command = &Info; });
}

}  // namespace scanserve::client
