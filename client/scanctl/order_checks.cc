// scanctl orders check and gc
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/scanctl/leak_report.h"
#include "client/scanctl/orders.h"
#include "client/scanctl/scan_flags.h"
#include "client/table.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::ScanOrderService::Stub;

struct CheckFlags {
  ScanFlags scan;
  int64_t length = 0;
  std::optional<int32_t> trials;
  int64_t seed = 0;
};

struct CollectFlags {
  int32_t keep = 5;
  std::string name;
  bool dry_run = false;
};

absl::Status Check(Session& session, const CheckFlags& flags) {
  v1::CheckScanSettingRequest request;
  *request.mutable_scan() = ScanChoiceOf(flags.scan);
  *request.mutable_adapter() = AdapterChoiceOf(flags.scan);
  request.set_length(flags.length);
  if (flags.trials) request.set_trials(*flags.trials);
  request.set_seed(flags.seed);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::CheckScanSetting, request));
  SCANSERVE_RETURN_IF_ERROR(
      session.json ? WriteJson(session, MessageToJson(response))
                   : session.output.Write(LeakReport(response, session.terminal.output_columns,
                                                     session.terminal.output_colour)));
  if (response.verdict() == v1::LEAK_VERDICT_CONFIRMED ||
      response.verdict() == v1::LEAK_VERDICT_COUNTED) {
    return absl::OkStatus();
  }
  // The report says it already; scripts find it in the exit status.
  return absl::FailedPreconditionError(session.json ? LeakVerdictText(response) : "");
}

absl::Status Collect(Session& session, const CollectFlags& flags) {
  v1::CollectScanOrdersRequest request;
  request.set_keep_versions(flags.keep);
  request.set_name(flags.name);
  request.set_dry_run(flags.dry_run);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::CollectScanOrders, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  Table table({{"order"}, {"digest"}, {"fate"}});
  for (const v1::CollectedScanOrder& each : response.orders()) {
    const v1::ScanOrderRef& order = each.order();
    table.AddRow({absl::StrCat(order.name(), "@", order.version()), ShortDigest(order.digest()),
                  EnumText(each.fate())});
  }
  return session.output.Write(
      absl::StrCat(table.Layout(session.terminal.output_columns, session.terminal.output_colour),
                   flags.dry_run ? "would remove " : "removed ", response.removed_versions(),
                   " version(s), ", BytesText(response.removed_bytes()), "\n"));
}

}  // namespace

void AddOrderChecks(CLI::App& orders, Program& program) {
  auto checked = std::make_shared<CheckFlags>();
  CLI::App& check = *orders.add_subcommand("check", "Count a setting's leaks and check the counts");
  AddOrderName(check, checked->scan.order);
  check.add_option("--length", checked->length, "Tokens of the prompt")->type_name("N")->required();
  AddSettingFlags(check, checked->scan);
  AddAdapterFlags(check, checked->scan);
  check.add_option("--trials", checked->trials, "Prompts to compute; 16, 0 only counts")
      ->type_name("N");
  check.add_option("--seed", checked->seed, "Of tokens and places tried")
      ->type_name("N")
      ->capture_default_str();
  check.footer(
      "Each trial replaces tokens: positions that have read none of them must not\n"
      "change, to the bit. Exit status 1 unless the classes are confirmed.\n\n"
      "Example:\n  scanctl orders check wiki --length 512");
  check.callback([checked, &program] {
    program.command = [checked](Session& session) { return Check(session, *checked); };
  });

  auto collected = std::make_shared<CollectFlags>();
  CLI::App& gc = *orders.add_subcommand("gc", "Remove old versions that nothing uses");
  gc.add_option("--keep", collected->keep, "Newest versions of each name that stay")
      ->type_name("N")
      ->check(CLI::Range(1, 1000).description(""))
      ->capture_default_str();
  gc.add_option("--name", collected->name, "Only this order")->type_name("NAME");
  gc.add_flag("--dry-run", collected->dry_run, "Only say what would be removed");
  gc.footer(
      "Keeps what is active, what a rollback leads to, and what a request holds.\n\n"
      "Example:\n  scanctl orders gc --keep 3 --dry-run");
  gc.callback([collected, &program] {
    program.command = [collected](Session& session) { return Collect(session, *collected); };
  });
}

}  // namespace scanserve::client
