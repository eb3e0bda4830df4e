// scanctl experiments: create, list, show and stop.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/number_text.h"
#include "client/scanctl/commands.h"
#include "client/scanctl/experiment_flags.h"
#include "client/scanctl/experiment_report.h"
#include "client/table.h"
#include "scanserve/v1/experiment_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::ExperimentService::Stub;

absl::Status Create(Session& session, const ExperimentFlags& flags) {
  v1::CreateExperimentRequest request;
  *request.mutable_design() = DesignOf(flags);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::CreateExperiment, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(absl::StrCat("running: ", response.experiment().design().id(),
                                           " (salt ", response.experiment().design().salt(),
                                           ")\n"));
}

absl::Status List(Session& session) {
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response,
      UnaryCall(session.connection, &Stub::ListExperiments, v1::ListExperimentsRequest()));
  if (session.json) return WriteJson(session, MessageToJson(response));
  Table table({{"experiment"}, {"arms", Alignment::kRight}, {"created"}, {"state"}});
  for (const v1::Experiment& experiment : response.experiments()) {
    table.AddRow({experiment.design().id(), absl::StrCat(experiment.design().arms_size()),
                  TimeText(experiment.created()), ExperimentStateText(experiment)});
  }
  return session.output.Write(
      table.Layout(session.terminal.output_columns, session.terminal.output_colour));
}

absl::Status Show(Session& session, const std::string& id) {
  v1::GetExperimentRequest request;
  request.set_id(id);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::GetExperiment, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(
      ExperimentReport(response, session.terminal.output_columns, session.terminal.output_colour));
}

absl::Status Stop(Session& session, const std::string& id) {
  v1::StopExperimentRequest request;
  request.set_id(id);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::StopExperiment, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(
      absl::StrCat(id, " ", ExperimentStateText(response.experiment()), "\n"));
}

using NamedCommand = absl::Status (*)(Session&, const std::string&);

CLI::Option* AddNamed(CLI::App& experiments, Program& program, const std::string& name,
                      const std::string& description, NamedCommand run) {
  auto id = std::make_shared<std::string>();
  CLI::App& app = *experiments.add_subcommand(name, description);
  app.footer(absl::StrCat("Example:\n  scanctl experiments ", name, " tour-trial"));
  app.callback([id, run, &program] {
    program.command = [id, run](Session& session) { return run(session, *id); };
  });
  return app.add_option("id", *id, "Name of the experiment")->type_name("ID");
}

}  // namespace

void AddExperiments(Program& program) {
  CLI::App& experiments =
      *program.app.add_subcommand("experiments", "Split requests between settings");
  experiments.require_subcommand(1);
  experiments.footer("Example:\n  scanctl experiments show");
  auto flags = std::make_shared<ExperimentFlags>();
  CLI::App& create = *experiments.add_subcommand("create", "Start an experiment");
  AddExperimentFlags(create, *flags);
  create.footer(
      "An arm is NAME:WEIGHT and, after commas, order=NAME, adapter=NAME or none,\n"
      "readout=pin-last, layers=0+3 and shadow=PERCENT of the prompts to score too.\n"
      "What it does not name is what requests get now.\n"
      "Example:\n"
      "  scanctl experiments create tour-trial --arm control:9 \\\n"
      "    --arm tour:1,order=tour,shadow=20 --guardrail errors=0.01 \\\n"
      "    --stop-on verdict --max-time 72h");
  create.callback([flags, &program] {
    program.command = [flags](Session& session) { return Create(session, *flags); };
  });
  CLI::App& list = *experiments.add_subcommand("list", "Show all experiments, newest first");
  list.footer("Example:\n  scanctl experiments list");
  list.callback([&program] { program.command = &List; });
  AddNamed(experiments, program, "show", "Show what the arms did; the running one", &Show);
  AddNamed(experiments, program, "stop", "End an experiment", &Stop)->required();
}

}  // namespace scanserve::client
