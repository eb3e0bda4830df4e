// scanctl adapters: the subcommands, and those that look at adapters and unload them.
#include "client/scanctl/adapters.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/scanctl/commands.h"
#include "client/table.h"
#include "scanserve/v1/adapter_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::AdapterService::Stub;

absl::Status List(Session& session) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto response, UnaryCall(session.connection, &Stub::ListAdapters,
                                                            v1::ListAdaptersRequest()));
  if (session.json) return WriteJson(session, MessageToJson(response));
  if (response.adapters().empty()) return session.output.Write("no adapters\n");
  Table table({{"adapter"},
               {"rank", Alignment::kRight},
               {"modules"},
               {"trainable", Alignment::kRight},
               {"memory", Alignment::kRight},
               {"merged"},
               {"digest"},
               {"default"}});
  for (const v1::Adapter& adapter : response.adapters()) {
    const bool is_default = response.has_default_adapter() &&
                            response.default_adapter().name() == adapter.name() &&
                            response.default_adapter().version() == adapter.version();
    const double percent = 100.0 * static_cast<double>(adapter.trainable_params()) /
                           static_cast<double>(std::max<int64_t>(1, adapter.all_params()));
    table.AddRow({absl::StrCat(adapter.name(), "@", adapter.version()),
                  absl::StrCat(adapter.rank()), absl::StrJoin(adapter.target_modules(), " "),
                  absl::StrFormat("%.2f %%", percent), BytesText(adapter.memory_bytes()),
                  adapter.merged() ? "yes" : "", ShortDigest(adapter.digest()),
                  is_default ? "yes" : ""});
  }
  return session.output.Write(
      table.Layout(session.terminal.output_columns, session.terminal.output_colour));
}

absl::Status Unload(Session& session, const std::string& name) {
  v1::UnloadAdapterRequest request;
  *request.mutable_adapter() = *ParseAdapterRef(name);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::UnloadAdapter, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(absl::StrCat("unloaded ", response.unloaded_versions(),
                                           " version(s) of ", name, ", ",
                                           BytesText(response.memory_bytes()), "\n"));
}

}  // namespace

void AddAdapters(Program& program) {
  CLI::App& adapters = *program.app.add_subcommand("adapters", "Load and unload LoRA adapters");
  adapters.require_subcommand(1);
  adapters.footer(
      "Example:\n"
      "  scanctl adapters upload my_adapter/ mine\n"
      "  scanctl generate 'The river flows' --adapter mine");
  CLI::App& list = *adapters.add_subcommand("list", "Show the adapters that requests can name");
  list.footer("Example:\n  scanctl adapters list");
  list.callback([&program] { program.command = &List; });
  AddAdapterTransfers(adapters, program);

  auto name = std::make_shared<std::string>();
  CLI::App& unload =
      *adapters.add_subcommand("unload", "Take an adapter or one version out of service");
  unload.add_option("name", *name, "Name, all its versions unless one is given")
      ->type_name("NAME[@VERSION]")
      ->check(ParsesWith(&ParseAdapterRef))
      ->required();
  unload.footer(
      "It is deleted from the server's store. Requests that began with it end with it.\n\n"
      "Example:\n"
      "  scanctl adapters unload mine@1");
  unload.callback([name, &program] {
    program.command = [name](Session& session) { return Unload(session, *name); };
  });
}

}  // namespace scanserve::client
