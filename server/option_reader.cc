#include "server/option_reader.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <regex>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "server/access_control.h"
#include "server/certificates.h"
#include "server/config_file.h"
#include "server/default_folders.h"
#include "server/fault_list.h"
#include "server/option_rows.h"

namespace scanserve::server {
namespace {

constexpr absl::string_view kPrefix = "SCANSERVE_";
constexpr absl::string_view kConfigVariable = "SCANSERVE_CONFIG";
// What scanctl and scanorder read, which may well run in the server's environment.
constexpr absl::string_view kClientVariables[] = {
    "SCANSERVE_SERVER", "SCANSERVE_TOKEN_FILE", "SCANSERVE_TLS_CA", "SCANSERVE_CLIENT_CERTIFICATE",
    "SCANSERVE_CLIENT_KEY"};

constexpr char kUsage[] = R"(Serves a Mamba-1 language model over gRPC.

Usage: scanserve-server [OPTIONS]

Each option has three names: a flag, a variable of the environment and a key of
the TOML file. The flag wins over the variable, the variable over the file. In
the environment the parts of a list have commas between them, and an empty
variable counts as unset.

  --help, --version
  --config FILE
        SCANSERVE_CONFIG
        configuration file in TOML (default: none)
  --check-config
        read everything, list every fault, and exit
)";

struct CommandLine {
  std::string config_file;
  bool check_config = false;
  std::map<std::string, std::vector<std::string>> values;
};

// Names that Kubernetes gives to every pod beside a Service called scanserve or scanserve-*.
bool IsServiceLink(const std::string& variable) {
  static const std::regex pattern(
      "SCANSERVE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?)");
  return std::regex_match(variable, pattern);
}

void Set(const OptionTable::Row& row, const std::string& place,
         const std::vector<std::string>& texts, FaultList& faults) {
  const absl::Status set = row.set(texts);
  faults.Require(set.ok(), place, absl::StrJoin(texts, " "), set.message());
}

// False when help or the version was asked for and printed.
bool ReadCommandLine(int argc, const char* const* argv, const OptionTable& table, CommandLine& line,
                     FaultList& faults) {
  CLI::App app("", "scanserve-server");
  app.set_version_flag("--version", "scanserve-server " SCANSERVE_VERSION);
  app.allow_extras();
  const CLI::Option* config = app.add_option("--config")->type_name("FILE")->take_all();
  const CLI::Option* check = app.add_flag("--check-config");
  std::map<std::string, const CLI::Option*> options;
  for (const OptionTable::Row& row : table.rows()) {
    const bool flag = row.kind == OptionTable::Kind::kTruth;
    CLI::Option* option = flag ? app.add_flag(row.flag()) : app.add_option(row.flag())->expected(1);
    options[row.name] = option->type_name(row.type_name)->take_all();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << kUsage << table.Help() << std::flush;
    return false;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << std::endl;
    return false;
  } catch (const CLI::ParseError& error) {
    faults.Add(error.what());
  }
  for (const std::string& extra : app.remaining()) faults.Add(absl::StrCat(extra, ": no option"));
  // Read where CLI11 keeps them, since a fault keeps it from handing them over.
  if (config->count() > 0) line.config_file = config->results().back();
  line.check_config = check->count() > 0;
  for (const auto& [name, option] : options) {
    if (option->count() > 0) line.values[name] = option->results();
  }
  return true;
}

void ApplyFile(const std::string& path, const OptionTable& table, FaultList& faults) {
  if (path.empty()) return;
  const auto entries = ReadConfigFile(path);
  if (!entries.ok()) return faults.Add(std::string(entries.status().message()));
  using Kind = OptionTable::Kind;
  static const std::map<Kind, std::string> kWritten = {
      {Kind::kText, "a text in quotes"}, {Kind::kInteger, "a whole number"},
      {Kind::kNumber, "a number"},       {Kind::kTruth, "true or false"},
      {Kind::kList, "a list of texts"},  {Kind::kNumbers, "a list of numbers"}};
  for (const ConfigEntry& entry : *entries) {
    const std::string place = absl::StrCat(path, ":", entry.line, ": ", entry.key);
    const OptionTable::Row* row = table.FindKey(entry.key);
    if (row == nullptr) {
      faults.Add(absl::StrCat(place, ": no option"));
      continue;
    }
    const bool fits =
        entry.kind == row->kind || (entry.kind == Kind::kInteger && row->kind == Kind::kNumber);
    if (fits) {
      Set(*row, place, entry.texts, faults);
    } else {
      faults.Add(absl::StrCat(place, ": must be ", kWritten.at(row->kind)));
    }
  }
}

void ApplyEnvironment(const OptionTable& table, FaultList& faults) {
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    if (!absl::StartsWith(*each, kPrefix)) continue;
    const std::pair<std::string, std::string> variable =
        absl::StrSplit(*each, absl::MaxSplits('=', 1));
    const auto& [name, value] = variable;
    if (const OptionTable::Row* row = table.FindVariable(name)) {
      if (value.empty()) continue;
      const bool list = row->kind == OptionTable::Kind::kList;
      Set(*row, name, list ? absl::StrSplit(value, ',') : std::vector<std::string>{value}, faults);
    } else if (name != kConfigVariable && !absl::c_linear_search(kClientVariables, name) &&
               !IsServiceLink(name)) {
      faults.Add(absl::StrCat(name, ": no option"));
    }
  }
}

// What only a look at the files shows, and would otherwise end the start.
void CheckFiles(const SecurityOptions& security, FaultList& faults) {
  const absl::Status tokens = AccessControl::Create(security).status();
  if (!tokens.ok()) faults.Add(std::string(tokens.message()));
  if (!security.has_tls() || security.tls_key.empty()) return;
  const auto set =
      ReadCertificates({security.tls_certificate, security.tls_key, security.tls_client_ca});
  const absl::Status good = set.ok() ? CheckCertificates(*set, absl::Now()).status() : set.status();
  if (!good.ok()) faults.Add(std::string(good.message()));
}

std::string ConfigFile(const CommandLine& line) {
  if (!line.config_file.empty()) return line.config_file;
  const char* file = std::getenv(std::string(kConfigVariable).c_str());
  return file == nullptr ? "" : file;
}

absl::Status Checked(const FaultList& faults) {
  if (faults.faults().empty()) {
    std::cout << "The configuration is valid." << std::endl;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(faults.faults().size(),
                                                 faults.faults().size() == 1 ? " fault" : " faults",
                                                 ":\n  ", absl::StrJoin(faults.faults(), "\n  ")));
}

}  // namespace

absl::StatusOr<std::optional<ServerOptions>> ReadOptions(int argc, const char* const* argv) {
  ServerOptions options;
  options.model_folder = DefaultModelFolder();
  options.store_folder = DefaultStoreFolder();
  const OptionTable table = RowsOf(options);
  FaultList faults;
  CommandLine line;
  if (!ReadCommandLine(argc, argv, table, line, faults)) return std::optional<ServerOptions>();
  ApplyFile(ConfigFile(line), table, faults);
  ApplyEnvironment(table, faults);
  for (const OptionTable::Row& row : table.rows()) {
    const auto given = line.values.find(row.name);
    if (given != line.values.end()) Set(row, row.flag(), given->second, faults);
  }
  faults.Append(FaultsOf(options));
  CheckFiles(options.security, faults);
  if (line.check_config) {
    const absl::Status checked = Checked(faults);
    if (!checked.ok()) return checked;
    return std::optional<ServerOptions>();
  }
  const absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return std::optional<ServerOptions>(std::move(options));
}

}  // namespace scanserve::server
