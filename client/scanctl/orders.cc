// scanctl orders: the subcommands, and those that look at stored orders.
#include "client/scanctl/orders.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/scanctl/commands.h"
#include "client/table.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::ScanOrderService::Stub;

std::string LengthText(const v1::ScanOrder& order) {
  return order.length() == 0 ? "any" : WithThousands(order.length());
}

absl::Status List(Session& session) {
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response,
      UnaryCall(session.connection, &Stub::ListScanOrders, v1::ListScanOrdersRequest()));
  SCANSERVE_ASSIGN_OR_RETURN(const auto active, UnaryCall(session.connection, &Stub::GetActiveScan,
                                                          v1::GetActiveScanRequest()));
  if (session.json) {
    Json json = MessageToJson(response);
    json["active"] = MessageToJson(active.active());
    return WriteJson(session, json);
  }
  const v1::ScanOrderRef& now = active.active().setting().order();
  Table table({{"order"}, {"positions", Alignment::kRight}, {"digest"}, {"stored"}, {"active"}});
  for (const v1::ScanOrder& order : response.orders()) {
    const bool identity = order.digest().empty();
    const bool is_active = order.digest() == now.digest() &&
                           (identity || now.name().empty() || order.name() == now.name());
    table.AddRow({identity ? order.name() : absl::StrCat(order.name(), "@", order.version()),
                  LengthText(order), ShortDigest(order.digest()), TimeText(order.created()),
                  is_active ? "yes" : ""});
  }
  return session.output.Write(
      table.Layout(session.terminal.output_columns, session.terminal.output_colour));
}

void AddProvenance(const v1::Provenance& provenance, Fields& fields) {
  const double improvement =
      provenance.natural_length() > 0
          ? 100 * (1 - provenance.tour_length() / provenance.natural_length())
          : 0;
  fields.emplace_back("method", absl::StrCat(provenance.method(), ", seed ", provenance.seed()));
  fields.emplace_back("rows", absl::StrCat(WithThousands(provenance.rows()), ", used ",
                                           WithThousands(provenance.rows_used())));
  fields.emplace_back(
      "tour", absl::StrFormat("%.4f, natural %.4f, %.2f %% shorter", provenance.tour_length(),
                              provenance.natural_length(), improvement));
  fields.emplace_back("layer", absl::StrCat(provenance.layer()));
  fields.emplace_back("model", ShortDigest(provenance.model_digest()));
  fields.emplace_back("tokenizer", ShortDigest(provenance.tokenizer_digest()));
  fields.emplace_back("adapter", ShortDigest(provenance.adapter_digest()));
  fields.emplace_back("corpus", ShortDigest(provenance.corpus_digest()));
  fields.emplace_back("computed", TimeText(provenance.created()));
  fields.emplace_back("program", provenance.program());
}

absl::Status Show(Session& session, const std::string& name) {
  v1::GetScanOrderRequest request;
  *request.mutable_order() = *ParseScanOrderRef(name);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::GetScanOrder, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  const v1::ScanOrder& order = response.order();
  Fields fields = {{"order", absl::StrCat(order.name(), "@", order.version())},
                   {"positions", LengthText(order)},
                   {"digest", order.digest().empty() ? "-" : order.digest()},
                   {"stored", TimeText(order.created())}};
  if (order.has_provenance()) AddProvenance(order.provenance(), fields);
  return session.output.Write(LayoutFields(fields, session.terminal.output_colour));
}

absl::Status Delete(Session& session, const std::string& name) {
  v1::DeleteScanOrderRequest request;
  *request.mutable_order() = *ParseScanOrderRef(name);
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::DeleteScanOrder, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  return session.output.Write(
      absl::StrCat("deleted ", response.deleted_versions(), " version(s) of ", name, "\n"));
}

using NamedCommand = absl::Status (*)(Session&, const std::string&);

void AddNamed(CLI::App& orders, Program& program, const std::string& name,
              const std::string& description, NamedCommand run) {
  auto order = std::make_shared<std::string>();
  CLI::App& app = *orders.add_subcommand(name, description);
  AddOrderName(app, *order);
  app.footer(absl::StrCat("Example:\n  scanctl orders ", name, " wiki@2"));
  app.callback([order, run, &program] {
    program.command = [order, run](Session& session) { return run(session, *order); };
  });
}

}  // namespace

void AddOrderName(CLI::App& app, std::string& name) {
  app.add_option("name", name, "Name, its newest version unless one is given")
      ->type_name("NAME[@VERSION]")
      ->check(ParsesWith(&ParseScanOrderRef))
      ->required();
}

void AddOrders(Program& program) {
  CLI::App& orders = *program.app.add_subcommand("orders", "Store and switch scan orders");
  orders.require_subcommand(1);
  orders.footer(
      "Example:\n"
      "  scanctl orders upload scan_order.npy wiki\n"
      "  scanctl orders activate wiki");
  CLI::App& list = *orders.add_subcommand("list", "Show all versions of all orders");
  list.footer("Example:\n  scanctl orders list");
  list.callback([&program] { program.command = &List; });
  AddNamed(orders, program, "show", "Show one order and how it came about", &Show);
  AddNamed(orders, program, "delete", "Delete an order, or one version of it", &Delete);
  AddOrderTransfers(orders, program);
  AddOrderSwitches(orders, program);
  AddOrderChecks(orders, program);
}

}  // namespace scanserve::client
