// scanctl adapters
#include <algorithm>

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

absl::Status ListAdapters(Session& session) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &v1::AdapterService::Stub::ListAdapters,
                                       v1::ListAdaptersRequest()));
  if (session.json) return WriteJson(session, MessageToJson(response));
  if (response.adapters().empty()) return session.output.Write("no adapters\n");
  Table table({{"adapter"},
               {"rank", Alignment::kRight},
               {"modules"},
               {"trainable", Alignment::kRight},
               {"digest"},
               {"default"}});
  for (const v1::Adapter& adapter : response.adapters()) {
    const bool is_default = response.has_default_adapter() &&
                            response.default_adapter().digest() == adapter.digest() &&
                            response.default_adapter().name() == adapter.name();
    const double percent = 100.0 * static_cast<double>(adapter.trainable_params()) /
                           static_cast<double>(std::max<int64_t>(1, adapter.all_params()));
    table.AddRow({absl::StrCat(adapter.name(), "@", adapter.version()),
                  absl::StrCat(adapter.rank()), absl::StrJoin(adapter.target_modules(), " "),
                  absl::StrFormat("%.2f %%", percent), ShortDigest(adapter.digest()),
                  is_default ? "yes" : ""});
  }
  return session.output.Write(
      table.Layout(session.terminal.output_columns, session.terminal.output_colour));
}

}  // namespace

void AddAdapters(Program& program) {
  CLI::App& app = *program.app.add_subcommand("adapters", "LoRA adapters");
  app.require_subcommand(1);
  CLI::App& list = *app.add_subcommand("list", "Show the adapters that requests can name");
  list.footer("Example:\n  scanctl adapters list");
  app.footer("Example:\n  scanctl adapters list");
  list.callback([&program] { program.command = &ListAdapters; });
}

}  // namespace scanserve::client
