// scanctl health
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/scanctl/commands.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace scanserve::client {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

struct HealthFlags {
  std::string service;
  bool watch = false;
};

absl::Status Show(Session& session, const HealthCheckResponse& response) {
  const std::string status =
      HealthCheckResponse::ServingStatus_Name(static_cast<int>(response.status()));
  return session.output.Write(session.json ? JsonLine({{"status", status}})
                                           : absl::StrCat(status, "\n"));
}

// The status was shown already, so the exit status alone has to tell.
absl::Status Outcome(const HealthCheckResponse& response) {
  const bool serving = response.status() == HealthCheckResponse::SERVING;
  return serving ? absl::OkStatus() : absl::UnavailableError("");
}

absl::Status Check(Session& session, const HealthCheckRequest& request) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Health::Stub::Check, request));
  SCANSERVE_RETURN_IF_ERROR(Show(session, response));
  return Outcome(response);
}

absl::Status Watch(Session& session, const HealthCheckRequest& request) {
  Health::Stub stub(session.connection.channel());
  Call call(session.connection);
  const auto reader = stub.Watch(call.context(), request);
  HealthCheckResponse response;
  absl::Status shown;
  while (shown.ok() && reader->Read(&response)) shown = Show(session, response);
  if (!shown.ok()) call.context()->TryCancel();
  const grpc::Status status = reader->Finish();
  SCANSERVE_RETURN_IF_ERROR(shown);
  SCANSERVE_RETURN_IF_ERROR(session.connection.FromGrpc(status));
  return Outcome(response);
}

}  // namespace

void AddHealth(Program& program) {
  auto flags = std::make_shared<HealthFlags>();
  CLI::App& app = *program.app.add_subcommand("health", "Ask whether the server serves");
  app.add_option("--service", flags->service, "Of one service; of the whole server")
      ->type_name("NAME");
  app.add_flag("--watch", flags->watch, "Show each change until stopped");
  app.footer(
      "Exit status 0 when it is SERVING, else 1.\n\n"
      "Example:\n"
      "  scanctl health --service scanserve.v1.InferenceService");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) {
      HealthCheckRequest request;
      request.set_service(flags->service);
      return flags->watch ? Watch(session, request) : Check(session, request);
    };
  });
}

}  // namespace scanserve::client
