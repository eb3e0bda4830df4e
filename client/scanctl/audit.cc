// scanctl audit
#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/number_text.h"
#include "client/scanctl/commands.h"
#include "client/table.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::MonitoringService::Stub;

// What the server accepts.
constexpr int32_t kMaxPage = 1'000;
constexpr int32_t kMaxRecords = 100'000;

struct AuditFlags {
  int32_t limit = 20;
  std::string since;
  std::string until;
  std::string method;
  std::string name;
  std::string caller;
  bool refused = false;
  bool all_fields = false;
};

// A time of day, or how long ago.
absl::StatusOr<absl::Time> ParsePast(absl::string_view text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  const absl::StatusOr<absl::Duration> ago = ParseTimeout(text);
  if (ago.ok()) return absl::Now() - *ago;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is neither how long ago, as in 24h, nor a time, as in ",
                   "2027-01-31T18:00:00Z"));
}

void SetTime(const std::string& text, google::protobuf::Timestamp* timestamp) {
  const absl::Time time = *ParsePast(text);
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

constexpr absl::string_view kToken = "token:";

// A token's id alone. Where calls are not authenticated, the host is all that is known.
std::string CallerText(const v1::AuditRecord& record) {
  if (record.caller().empty()) return record.peer();
  return std::string(absl::StripPrefix(record.caller(), kToken));
}

// The caller that CallerText shows so.
std::string CallerOf(const std::string& text) {
  const bool has_kind = text.empty() || absl::StrContains(text, ':') || text == "server";
  return has_kind ? text : absl::StrCat(kToken, text);
}

v1::ReadAuditLogRequest RequestOf(const AuditFlags& flags) {
  v1::ReadAuditLogRequest request;
  request.set_refused(flags.refused);
  request.set_method(flags.method);
  request.set_name(flags.name);
  request.set_caller(CallerOf(flags.caller));
  if (!flags.since.empty()) SetTime(flags.since, request.mutable_since());
  if (!flags.until.empty()) SetTime(flags.until, request.mutable_until());
  return request;
}

// All pages together.
absl::StatusOr<v1::ReadAuditLogResponse> ReadAll(Session& session, const AuditFlags& flags) {
  v1::ReadAuditLogRequest request = RequestOf(flags);
  v1::ReadAuditLogResponse all;
  do {
    request.set_limit(std::min(kMaxPage, flags.limit - all.records_size()));
    SCANSERVE_ASSIGN_OR_RETURN(const auto page,
                               UnaryCall(session.connection, &Stub::ReadAuditLog, request));
    all.mutable_records()->MergeFrom(page.records());
    all.set_next_before(page.next_before());
    all.set_lost(page.lost());
    request.set_before(page.next_before());
  } while (all.next_before() != 0 && all.records_size() < flags.limit);
  return all;
}

std::string NameText(const v1::AuditRecord& record) {
  if (record.version() == 0) return record.name();
  return absl::StrCat(record.name(), "@", record.version());
}

std::string Brief(const v1::ReadAuditLogResponse& log, const Terminal& terminal) {
  Table table({{"time"}, {"caller"}, {"change"}, {"result"}});
  for (const v1::AuditRecord& record : log.records()) {
    table.AddRow({TimeText(record.time()), CallerText(record),
                  absl::StrCat(record.method(), " ", NameText(record)), record.code()});
  }
  return table.Layout(terminal.output_columns, terminal.output_colour);
}

std::string Full(const v1::ReadAuditLogResponse& log, const Terminal& terminal) {
  std::string text;
  for (const v1::AuditRecord& record : log.records()) {
    const Fields fields = {
        {"number", absl::StrCat(record.number())},
        {"time", TimeText(record.time())},
        {"caller", record.caller()},
        {"peer", record.peer()},
        {"change", record.method()},
        {"name", NameText(record)},
        {"old digest", record.old_digest()},
        {"new digest", record.new_digest()},
        {"detail", record.detail()},
        {"revision", record.revision() == 0 ? "" : absl::StrCat(record.revision())},
        {"result", record.code()},
        {"message", record.message()},
        {"request", record.request_id()}};
    Fields known;
    std::ranges::copy_if(fields, std::back_inserter(known),
                         [](const auto& field) { return !field.second.empty(); });
    absl::StrAppend(&text, text.empty() ? "" : "\n", LayoutFields(known, terminal.output_colour));
  }
  return text;
}

absl::Status Audit(Session& session, const AuditFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto log, ReadAll(session, flags));
  if (session.json) return WriteJson(session, MessageToJson(log));
  SCANSERVE_RETURN_IF_ERROR(session.output.Write(flags.all_fields ? Full(log, session.terminal)
                                                                  : Brief(log, session.terminal)));
  if (log.lost() == 0) return absl::OkStatus();
  return session.output.Write(
      absl::StrCat("\n", log.lost(), " records were lost: the server's disk refuses them\n"));
}

}  // namespace

void AddAudit(Program& program) {
  auto flags = std::make_shared<AuditFlags>();
  CLI::App& app = *program.app.add_subcommand("audit", "Show who changed what");
  app.add_option("--limit", flags->limit, "Newest records to show")
      ->type_name("N")
      ->check(CLI::Range(1, kMaxRecords).description(""))
      ->capture_default_str();
  app.add_option("--since", flags->since, "From: 24h (ago) or 2027-01-31T18:00:00Z")
      ->type_name("TIME")
      ->check(ParsesWith(&ParsePast));
  app.add_option("--until", flags->until, "Before: likewise")
      ->type_name("TIME")
      ->check(ParsesWith(&ParsePast));
  app.add_option("--method", flags->method, "Only this RPC")->type_name("RPC");
  app.add_option("--name", flags->name, "Only this order, adapter or experiment")
      ->type_name("NAME");
  app.add_option("--caller", flags->caller, "Only this caller, e.g. a token's id")->type_name("ID");
  app.add_flag("--refused", flags->refused, "Who tried and may not, instead");
  app.add_flag("--all-fields", flags->all_fields, "Digests, addresses, messages too");
  app.footer(
      "Newest first. It needs the role admin.\n\n"
      "Example:\n"
      "  scanctl audit --since 24h --method SetActiveScan\n"
      "  scanctl audit --name wiki --all-fields");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Audit(session, *flags); };
  });
}

}  // namespace scanserve::client
