// What the command-line programs have in common: the flags of the connection, signals, errors on
// standard error, exit status.
#pragma once

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/connection.h"
#include "client/message_json.h"
#include "client/output.h"
#include "client/terminal.h"

namespace scanserve::client {

inline constexpr int kExitOk = 0;
// The call failed, or the system could not read or write; the reason stands on standard error.
inline constexpr int kExitFailed = 1;
// The command line is wrong; nothing was done.
inline constexpr int kExitUsage = 2;
// Ended by SIGINT or SIGTERM, as shells count it.
inline constexpr int kExitInterrupted = 130;

// What a command works with.
struct Session {
  Connection& connection;
  Output& output;
  const Terminal& terminal;
  // JSON for scripts instead of text for people.
  bool json = false;
};

// Its error, a whole sentence, is reported and makes the exit status 1; an empty sentence is not
// shown.
using Command = std::function<absl::Status(Session&)>;

// A command line of subcommands, of which the one that was given sets `command`.
struct Program {
  // With --server, the flags of its security, --timeout, --json, --version and exactly one
  // subcommand to come; subcommands
  // added to `app` accept these flags too.
  Program(const std::string& description, const std::string& name);

  CLI::App app;
  Command command;
  std::string server;
  SecurityFlags security;
  std::string timeout;
  bool json = false;
  // Whether a signal is how the command is meant to end.
  bool ends_by_interrupt = false;
};

// Parses, connects and runs; SIGINT cancels the calls under way. Returns the exit status.
int Run(Program& program, int argc, const char* const* argv);

// `parse` as a check for CLI11: an error is a usage error with its message.
template <typename Parse>
CLI::Validator ParsesWith(Parse parse) {
  return CLI::Validator(
      [parse](const std::string& text) {
        const auto parsed = parse(text);
        return parsed.ok() ? std::string() : std::string(parsed.status().message());
      },
      "");
}

// One JSON document, indented.
absl::Status WriteJson(Session& session, const Json& json);

// "30s", "500ms", "2m", or a number of seconds. INVALID_ARGUMENT for anything else.
absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view text);

}  // namespace scanserve::client
