// scanctl orders activate, deactivate, rollback and history
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/scanctl/orders.h"
#include "client/scanctl/scan_flags.h"
#include "client/table.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::ScanOrderService::Stub;

struct SwitchFlags {
  ScanFlags scan;
  std::optional<int64_t> expected_revision;
  bool force = false;
};

struct HistoryFlags {
  int32_t limit = 20;
};

// Of the three calls that change the active setting.
template <typename Response>
absl::Status ShowActive(Session& session, const Response& response) {
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(absl::StrCat("active: ", ScanSettingText(response.active().setting()),
                                           " (revision ", response.active().revision(), ")\n"));
}

// Without an order: identity.
absl::Status Activate(Session& session, const SwitchFlags& flags) {
  v1::SetActiveScanRequest request;
  *request.mutable_setting() = ScanSettingOf(flags.scan);
  if (flags.expected_revision) request.set_expected_revision(*flags.expected_revision);
  request.set_force(flags.force);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::SetActiveScan, request));
  return ShowActive(session, response);
}

absl::Status Rollback(Session& session, const SwitchFlags& flags) {
  v1::RollbackActiveScanRequest request;
  if (flags.expected_revision) request.set_expected_revision(*flags.expected_revision);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::RollbackActiveScan, request));
  return ShowActive(session, response);
}

absl::Status History(Session& session, const HistoryFlags& flags) {
  v1::GetActiveScanRequest request;
  request.set_history_limit(flags.limit);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::GetActiveScan, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  Table table({{"revision", Alignment::kRight}, {"activated"}, {"setting"}, {"active"}});
  const auto add = [&table](const v1::ActiveSetting& entry, const char* active) {
    table.AddRow({absl::StrCat(entry.revision()), TimeText(entry.activated()),
                  ScanSettingText(entry.setting()), active});
  };
  add(response.active(), "yes");
  for (const v1::ActiveSetting& entry : response.history()) add(entry, "");
  return session.output.Write(
      table.Layout(session.terminal.output_columns, session.terminal.output_colour));
}

void AddRevision(CLI::App& app, SwitchFlags& flags) {
  app.add_option("--expected-revision", flags.expected_revision, "Fail if another one is active")
      ->type_name("N");
}

using SwitchCommand = absl::Status (*)(Session&, const SwitchFlags&);

CLI::App& AddSwitch(CLI::App& orders, Program& program, const std::string& name,
                    const std::string& description, SwitchCommand run,
                    const std::shared_ptr<SwitchFlags>& flags) {
  CLI::App& app = *orders.add_subcommand(name, description);
  app.footer(absl::StrCat("Example:\n  scanctl orders ", name, name == "activate" ? " wiki" : ""));
  AddRevision(app, *flags);
  app.callback([flags, run, &program] {
    program.command = [flags, run](Session& session) { return run(session, *flags); };
  });
  return app;
}

}  // namespace

void AddOrderSwitches(CLI::App& orders, Program& program) {
  auto activated = std::make_shared<SwitchFlags>();
  CLI::App& activate = AddSwitch(orders, program, "activate",
                                 "Apply an order to requests that name none", &Activate, activated);
  AddOrderName(activate, activated->scan.order);
  AddSettingFlags(activate, activated->scan);
  activate.add_flag("--force", activated->force, "Even if computed for another model");
  AddSwitch(orders, program, "deactivate", "Back to natural order", &Activate,
            std::make_shared<SwitchFlags>());
  AddSwitch(orders, program, "rollback", "Back to the setting before", &Rollback,
            std::make_shared<SwitchFlags>());

  auto shown = std::make_shared<HistoryFlags>();
  CLI::App& history = *orders.add_subcommand("history", "Show what was active when");
  history.add_option("--limit", shown->limit, "Entries to show")
      ->type_name("N")
      ->check(CLI::Range(1, 100).description(""))
      ->capture_default_str();
  history.footer("Example:\n  scanctl orders history --limit 5");
  history.callback([shown, &program] {
    program.command = [shown](Session& session) { return History(session, *shown); };
  });
}

}  // namespace scanserve::client
