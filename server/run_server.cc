#include "server/run_server.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "server/backend.h"
#include "server/drain.h"
#include "server/experiment_table.h"
#include "server/grpc_server.h"
#include "server/lifecycle.h"
#include "server/log.h"
#include "server/periodic_task.h"
#include "server/stop_signals.h"

namespace scanserve::server {
namespace {

constexpr absl::Duration kExpiryCheck = absl::Seconds(1);
// What a crash may lose of the statistics of an experiment.
constexpr absl::Duration kExperimentSave = absl::Seconds(5);

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

absl::Status Serve(const ServerOptions& options, Lifecycle& lifecycle, AccessControl& access,
                   const ServerCertificates* certificates) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto backend, Backend::Create(options, lifecycle, access));
  SCANSERVE_RETURN_IF_ERROR(backend->WarmUp());
  if (lifecycle.stop_requested()) return absl::OkStatus();
  const PeriodicTask expiry(kExpiryCheck, [&lifecycle] { lifecycle.EndExpiredCalls(absl::Now()); });
  const PeriodicTask saving(kExperimentSave, [&backend] { backend->experiments().Save(); });
  SCANSERVE_ASSIGN_OR_RETURN(const auto server, GrpcServer::Open(options, *backend, certificates));
  LogInfo("serving", {{"listen", options.listen}, {"port", server->port()}});
  if (!options.port_file.empty()) {
    SCANSERVE_RETURN_IF_ERROR(
        base::WriteFileDurably(options.port_file, absl::StrCat(server->port(), "\n")));
  }
  lifecycle.WaitForStopRequest();
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
  return Serve(options, lifecycle, *access, certificates.get());
}

}  // namespace scanserve::server
