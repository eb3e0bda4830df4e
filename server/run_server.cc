#include "server/run_server.h"

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "server/admin_server.h"
#include "server/backend.h"
#include "server/drain.h"
#include "server/experiment_table.h"
#include "server/grpc_server.h"
#include "server/http_pages.h"
#include "server/http_server.h"
#include "server/lifecycle.h"
#include "server/log.h"
#include "server/metric_registry.h"
#include "server/periodic_task.h"
#include "server/process_metrics.h"
#include "server/readiness.h"
#include "server/security_metrics.h"
#include "server/stop_signals.h"
#include "server/watchdog.h"

namespace scanserve::server {
namespace {

constexpr absl::Duration kExpiryCheck = absl::Seconds(1);
// What a crash may lose of the statistics of an experiment.
constexpr absl::Duration kExperimentSave = absl::Seconds(5);
constexpr absl::Duration kEngineCheck = absl::Seconds(1);

// What outlives the backend.
struct ServerParts {
  Lifecycle& lifecycle;
  AccessControl& access;
  const ServerCertificates* certificates;
  Readiness& readiness;
  MetricRegistry& registry;
  Reloader& reloader;
};

class LogSession {
 public:
  explicit LogSession(const LogOptions& options) { StartLog(options); }
  ~LogSession() { StopLog(); }
  LogSession(const LogSession&) = delete;
  LogSession& operator=(const LogSession&) = delete;
};

// Null without TLS.
absl::StatusOr<std::unique_ptr<ServerCertificates>> OpenCertificates(
    const SecurityOptions& security) {
  if (!security.has_tls()) return nullptr;
  SCANSERVE_ASSIGN_OR_RETURN(auto certificates, ServerCertificates::Create(security));
  LogInfo("certificates read", {{"serial", certificates->serial()},
                                {"expires", absl::FormatTime(certificates->expires())}});
  return certificates;
}

absl::Status WritePort(const std::string& file, int port) {
  if (file.empty()) return absl::OkStatus();
  return base::WriteFileDurably(file, absl::StrCat(port, "\n"));
}

// Null when none is asked for.
absl::StatusOr<std::unique_ptr<HttpServer>> OpenHttp(const ServerOptions& options,
                                                     const Readiness& readiness,
                                                     const MetricRegistry& registry,
                                                     const AccessControl& access) {
  if (options.http_listen.empty()) return nullptr;
  HttpServer::Authorize authorize;
  if (!options.security.tokens.empty()) {
    authorize = [&access](const HttpRequest& request) {
      if (request.access == HttpAccess::kOpen) return absl::OkStatus();
      return access.Authorize({request.authorization, ""}, base::Role::kMetrics, absl::Now())
          .status();
    };
  }
  SCANSERVE_ASSIGN_OR_RETURN(
      auto http,
      HttpServer::Open(options.http_listen, HttpPages(readiness, registry), std::move(authorize)));
  LogInfo("http is open", {{"listen", options.http_listen}, {"port", http->port()}});
  SCANSERVE_RETURN_IF_ERROR(WritePort(options.http_port_file, http->port()));
  return http;
}

// Null when none is asked for.
absl::StatusOr<std::unique_ptr<AdminServer>> OpenAdmin(const ServerOptions& options,
                                                       const ServerParts& parts) {
  if (options.admin_listen.empty()) return nullptr;
  SCANSERVE_ASSIGN_OR_RETURN(auto admin,
                             AdminServer::Open(options, parts.access, parts.certificates));
  LogInfo("admin is open", {{"listen", options.admin_listen}, {"port", admin->port()}});
  return admin;
}

absl::Status Serve(const ServerOptions& options, const ServerParts& parts) {
  Lifecycle& lifecycle = parts.lifecycle;
  SCANSERVE_ASSIGN_OR_RETURN(const auto backend,
                             Backend::Create(options, lifecycle, parts.access, parts.registry));
  parts.reloader.TellTo(&backend->audit());
  const absl::Cleanup untold = [&parts] { parts.reloader.TellTo(nullptr); };
  SCANSERVE_RETURN_IF_ERROR(backend->WarmUp());
  if (lifecycle.stop_requested()) return absl::OkStatus();
  const PeriodicTask expiry(kExpiryCheck, [&lifecycle] { lifecycle.EndExpiredCalls(absl::Now()); });
  const PeriodicTask saving(kExperimentSave, [&backend] { backend->experiments().Save(); });
  SCANSERVE_ASSIGN_OR_RETURN(const auto admin, OpenAdmin(options, parts));
  SCANSERVE_ASSIGN_OR_RETURN(const auto server,
                             GrpcServer::Open(options, *backend, parts.certificates));
  Readiness& readiness = parts.readiness;
  readiness.Serve(backend->engine());
  const absl::Cleanup stop_serving = [&readiness] { readiness.StopServing(); };
  LogInfo("serving", {{"listen", options.listen}, {"port", server->port()}});
  SCANSERVE_RETURN_IF_ERROR(WritePort(options.port_file, server->port()));
  std::optional<Watchdog> watchdog(std::in_place, readiness, *server, kEngineCheck);
  lifecycle.WaitForStopRequest();
  watchdog.reset();
  readiness.Drain();
  Drain(options, *backend, *server);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunServer(const ServerOptions& options, Reloader::ReadLevel read_level) {
  Lifecycle lifecycle;
  std::atomic<Reloader*> reloader{nullptr};
  const StopSignals signals([&lifecycle] { lifecycle.RequestStop(); },
                            [&reloader] {
                              if (Reloader* const ready = reloader.load()) ready->RequestReload();
                            });
  const LogSession log(options.log);
  LogInfo("starting scanserve-server " SCANSERVE_VERSION, Describe(options));
  SCANSERVE_ASSIGN_OR_RETURN(const auto access, AccessControl::Create(options.security));
  SCANSERVE_ASSIGN_OR_RETURN(const auto certificates, OpenCertificates(options.security));
  Reloader reloads(*access, certificates.get(), std::move(read_level));
  reloader.store(&reloads);
  const absl::Cleanup no_reloads = [&reloader] { reloader.store(nullptr); };
  Readiness readiness(options.liveness_timeout);
  MetricRegistry registry;
  const ProcessMetrics process(readiness);
  const MetricRegistry::Attachment process_attachment(registry, process);
  const SecurityMetrics security(*access, certificates.get());
  const MetricRegistry::Attachment security_attachment(registry, security);
  SCANSERVE_ASSIGN_OR_RETURN(const auto http, OpenHttp(options, readiness, registry, *access));
  return Serve(options, {lifecycle, *access, certificates.get(), readiness, registry, reloads});
}

}  // namespace scanserve::server
