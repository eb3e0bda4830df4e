// scanctl token
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/scanctl/commands.h"
#include "core/base/access_token.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

struct TokenFlags {
  std::string file;
  std::string role;
  std::string lifetime;
  std::string id;
};

absl::StatusOr<base::TokenList> ReadList(const std::string& file) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text,
                             base::ReadFile(file, base::kMaxTokenListBytes));
  auto list = base::TokenList::Parse(text);
  if (!list.ok()) return base::InFile(file, list.status());
  return list;
}

absl::Status WriteList(const std::string& file, const base::TokenList& list) {
  return base::WriteFileDurably(file, list.ToText(), base::Readers::kOwner);
}

absl::StatusOr<absl::Time> ExpiryOf(const std::string& lifetime, absl::Time now) {
  if (lifetime == "never") return absl::InfiniteFuture();
  SCANSERVE_ASSIGN_OR_RETURN(const absl::Duration duration, ParseTimeout(lifetime));
  return now + duration;
}

absl::Status New(Session& session, const TokenFlags& flags) {
  const absl::Time now = absl::Now();
  SCANSERVE_ASSIGN_OR_RETURN(const base::Role role, base::ParseRole(flags.role));
  SCANSERVE_ASSIGN_OR_RETURN(const absl::Time expires, ExpiryOf(flags.lifetime, now));
  absl::StatusOr<base::TokenList> list = ReadList(flags.file);
  if (absl::IsNotFound(list.status())) list = base::TokenList();
  SCANSERVE_RETURN_IF_ERROR(list.status());
  SCANSERVE_ASSIGN_OR_RETURN(const std::string token, base::NewAccessToken());
  const base::TokenRecord record = base::RecordOf(token, role, expires, now);
  SCANSERVE_RETURN_IF_ERROR(list->Add(record));
  SCANSERVE_RETURN_IF_ERROR(WriteList(flags.file, *list));
  if (!session.json) return session.output.Write(absl::StrCat(token, "\n"));
  return WriteJson(session, {{"token", token},
                             {"id", record.id},
                             {"role", flags.role},
                             {"expires", base::FormatExpiry(expires)}});
}

absl::Status List(Session& session, const TokenFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(const base::TokenList list, ReadList(flags.file));
  Json rows = Json::array();
  std::string text;
  for (const base::TokenRecord& record : list.records()) {
    rows.push_back({{"id", record.id},
                    {"role", base::RoleName(record.role)},
                    {"expires", base::FormatExpiry(record.expires)}});
    absl::StrAppend(&text, record.id, "  ", base::RoleName(record.role), "  ",
                    base::FormatExpiry(record.expires), "\n");
  }
  return session.json ? WriteJson(session, rows) : session.output.Write(text);
}

absl::Status Revoke(Session& session, const TokenFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(base::TokenList list, ReadList(flags.file));
  SCANSERVE_RETURN_IF_ERROR(base::InFile(flags.file, list.Remove(flags.id)));
  SCANSERVE_RETURN_IF_ERROR(WriteList(flags.file, list));
  if (session.json) return WriteJson(session, {{"revoked", flags.id}});
  return session.output.Write(absl::StrCat("revoked ", flags.id, "\n"));
}

}  // namespace

void AddToken(Program& program) {
  CLI::App& app = *program.app.add_subcommand("token", "Access tokens of a server, in a file");
  app.require_subcommand(1);
  app.footer("Example:\n  scanctl token new tokens --role infer > my-token");
  auto flags = std::make_shared<TokenFlags>();
  flags->lifetime = "2160h";
  using Run = absl::Status (*)(Session&, const TokenFlags&);
  const auto add = [&](const std::string& name, const std::string& text, Run run) -> CLI::App& {
    CLI::App& command = *app.add_subcommand(name, text);
    command.add_option("file", flags->file, "List of scanserve-server --tokens")
        ->type_name("FILE")
        ->required();
    command.callback([flags, &program, run] {
      program.command = [flags, run](Session& session) { return run(session, *flags); };
    });
    return command;
  };
  CLI::App& make = add("new", "Add a token, made and shown once; the file keeps its digest", New);
  make.add_option("--role", flags->role, "infer, metrics or admin")
      ->type_name("ROLE")
      ->check(ParsesWith(&base::ParseRole))
      ->required();
  make.add_option("--expires", flags->lifetime, "Time until it expires, or never")
      ->type_name("TIME")
      ->capture_default_str();
  make.footer(
      "Servers read the file again by themselves. No server is asked.\n\n"
      "Example:\n"
      "  scanctl token new tokens --role infer --expires 720h > my-token");
  add("list", "Show ids, roles and expiries", List);
  add("revoke", "Take a token out of the file", Revoke)
      .add_option("id", flags->id, "Of `scanctl token list`")
      ->type_name("ID")
      ->required();
}

}  // namespace scanserve::client
