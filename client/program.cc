#include "client/program.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/interrupt.h"

namespace scanserve::client {
namespace {

// "scanctl orders upload", as far as it was understood.
std::string CommandPath(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* parsed : app.get_subcommands()) {
    absl::StrAppend(&path, " ", CommandPath(*parsed));
  }
  return path;
}

void WriteError(const Terminal& terminal, absl::string_view sentence) {
  const std::string line =
      absl::StrCat(Red("error:", terminal.error_colour), " ", WithoutControls(sentence), "\n");
  std::fputs(line.c_str(), stderr);
}

// As CLI11's, without the lists of what excludes and needs what: a wrong pair is refused in words.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(32); }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (option->get_type_size() != 0) absl::StrAppend(&text, " ", option->get_type_name());
    if (!option->get_default_str().empty()) absl::StrAppend(&text, "=", option->get_default_str());
    if (option->get_required()) absl::StrAppend(&text, " REQUIRED");
    return text;
  }
};

// The exit status when parsing ended the program, else kContinue.
constexpr int kContinue = -1;
int Parse(Program& program, int argc, const char* const* argv, const Terminal& terminal) {
  try {
    program.app.parse(argc, argv);
    return kContinue;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // help or version
      program.app.exit(error);
      std::cout << std::flush;
      return kExitOk;
    }
    WriteError(terminal, error.what());
    std::fprintf(stderr, "See %s --help\n", CommandPath(program.app).c_str());
    return kExitUsage;
  }
}

}  // namespace

Program::Program(const std::string& description, const std::string& name) : app(description, name) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", absl::StrCat(name, " ", SCANSERVE_VERSION));
  app.add_option("--server", server, "Server to ask; also SCANSERVE_SERVER")
      ->envname("SCANSERVE_SERVER")
      ->type_name("HOST:PORT")
      ->default_str(std::string(kDefaultServer));
  AddSecurityFlags(app, security);
  app.add_option("--timeout", timeout, "Most time for a call, e.g. 30s; none")
      ->type_name("TIME")
      ->check(ParsesWith(&ParseTimeout));
  app.add_flag("--json", json, "JSON for scripts, not text for people");
}

int Run(Program& program, int argc, const char* const* argv) {
  const Terminal terminal = DetectTerminal();
  const int parsed = Parse(program, argc, argv, terminal);
  if (parsed != kContinue) return parsed;
  signal(SIGPIPE, SIG_IGN);
  // Failures reach the person as one sentence; gRPC's own log would repeat them.
  setenv("GRPC_VERBOSITY", "NONE", 0);

  ConnectionOptions options;
  if (!program.server.empty()) options.server = program.server;
  if (!program.timeout.empty()) options.timeout = *ParseTimeout(program.timeout);
  const auto security = ReadSecurity(program.security, WithDefaultPort(options.server));
  if (!security.ok()) {
    WriteError(terminal, security.status().message());
    return kExitUsage;
  }
  options.security = *security;
  Connection connection(options);
  Interrupt interrupt([&connection] { connection.CancelAll(); });
  Output output(STDOUT_FILENO);
  Session session{connection, output, terminal, program.json};
  const absl::Status status = program.command(session);
  if (interrupt.seen()) {
    if (program.ends_by_interrupt) return kExitOk;
    WriteError(terminal, "interrupted");
    return kExitInterrupted;
  }
  if (status.ok() || output.reader_gone()) return kExitOk;
  if (!status.message().empty()) WriteError(terminal, status.message());
  return kExitFailed;
}

absl::Status WriteJson(Session& session, const Json& json) {
  return session.output.Write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view text) {
  absl::Duration timeout;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    timeout = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &timeout)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no time: write 30s, 500ms or 2m"));
  }
  if (timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("a time of ", text, " is not above 0"));
  }
  return timeout;
}

}  // namespace scanserve::client
