#include "server/run_server.h"

#include <memory>

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

absl::Status Serve(const ServerOptions& options, Lifecycle& lifecycle) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto backend, Backend::Create(options, lifecycle));
  SCANSERVE_RETURN_IF_ERROR(backend->WarmUp());
  if (lifecycle.stop_requested()) return absl::OkStatus();
  const PeriodicTask expiry(kExpiryCheck, [&lifecycle] { lifecycle.EndExpiredCalls(absl::Now()); });
  const PeriodicTask saving(kExperimentSave, [&backend] { backend->experiments().Save(); });
  SCANSERVE_ASSIGN_OR_RETURN(const auto server, GrpcServer::Open(options, *backend));
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

absl::Status RunServer(const ServerOptions& options) {
  Lifecycle lifecycle;
  const StopSignals signals([&lifecycle] { lifecycle.RequestStop(); });
  const LogSession log(options.log);
  LogInfo("starting scanserve-server " SCANSERVE_VERSION, Describe(options));
  return Serve(options, lifecycle);
}

}  // namespace scanserve::server
