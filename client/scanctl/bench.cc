// scanctl bench
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/number_text.h"
#include "client/progress_bar.h"
#include "client/scanctl/bench_load.h"
#include "client/scanctl/bench_report.h"
#include "client/scanctl/bench_requests.h"
#include "client/scanctl/bench_results.h"
#include "client/scanctl/bench_settings.h"
#include "client/scanctl/bench_trace.h"
#include "client/scanctl/commands.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"

namespace scanserve::client {
namespace {

constexpr int64_t kDefaultRequests = 100;
// An open loop that is bounded by nothing but its rate.
constexpr int64_t kDefaultMostInFlight = 1024;
constexpr int64_t kMaxClients = 10'000;

struct BenchFlags {
  BenchSettings settings;
  int64_t clients = 0;  // 0: not given
  std::string think_time;
  std::string duration;
  std::string arrivals = "poisson";
  std::string prompt_tokens = "128";
  std::string output_tokens = "64";
  std::vector<std::string> mix;
  std::string json_file;
  std::string trace_file;
};

// After parsing, which has checked each flag.
BenchSettings SettingsOf(const BenchFlags& flags) {
  BenchSettings settings = flags.settings;
  const bool open_loop = settings.rate > 0;
  if (flags.clients > 0) {
    settings.clients = flags.clients;
  } else if (open_loop) {
    settings.clients = kDefaultMostInFlight;
  }
  if (!flags.think_time.empty()) settings.think_time = *ParseTimeout(flags.think_time);
  if (!flags.duration.empty()) settings.duration = *ParseTimeout(flags.duration);
  if (settings.requests == 0 && flags.duration.empty()) settings.requests = kDefaultRequests;
  settings.poisson = flags.arrivals == "poisson";
  settings.prompt_tokens = *ParseBenchLength(flags.prompt_tokens);
  settings.output_tokens = *ParseBenchLength(flags.output_tokens);
  for (const std::string& entry : flags.mix) settings.mix.push_back(*ParseBenchMixEntry(entry));
  if (settings.mix.empty()) settings.mix.emplace_back();
  return settings;
}

absl::Status WriteJsonFile(const std::string& path, const Json& json) {
  std::ofstream file(path, std::ios::binary);
  file << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

// Ctrl-C ends a run early, not the program: what was measured is shown.
class StopOnCancel {
 public:
  StopOnCancel(Connection& connection, BenchLoad& load) : connection_(connection) {
    connection_.SetCancelListener([&load] { load.Stop(); });
  }
  ~StopOnCancel() { connection_.SetCancelListener(nullptr); }
  StopOnCancel(const StopOnCancel&) = delete;
  StopOnCancel& operator=(const StopOnCancel&) = delete;

 private:
  Connection& connection_;
};

struct Measured {
  BenchResults results;
  BenchLoadResult load;
};

absl::StatusOr<Measured> Measure(Session& session, const BenchSettings& settings,
                                 const BenchRequests& requests, BenchTrace* trace) {
  Measured measured{BenchResults(settings.mix.size(), settings.warm_up), {}};
  const int64_t total = settings.requests > 0 ? settings.warm_up + settings.requests : 0;
  ProgressBar bar(session.terminal, "measuring", "requests", total);
  BenchLoad load(settings, requests, session.connection.options());
  StopOnCancel stop_on_cancel(session.connection, load);
  absl::Status traced;
  int64_t ended = 0;
  measured.load = load.Run([&](const BenchOutcome& outcome) {
    bar.Update(++ended);
    measured.results.Add(outcome);
    if (trace != nullptr && traced.ok()) {
      traced = trace->Append(settings.mix[outcome.entry], outcome);
      if (!traced.ok()) load.Stop();
    }
  });
  if (trace != nullptr && traced.ok()) traced = trace->Finish();
  SCANSERVE_RETURN_IF_ERROR(traced);
  return measured;
}

absl::Status Bench(Session& session, const BenchFlags& flags) {
  const BenchSettings settings = SettingsOf(flags);
  std::vector<std::string> prompts;
  if (!settings.prompt_file.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(prompts, ReadBenchPrompts(settings.prompt_file));
  }
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto info, UnaryCall(session.connection, &v1::MonitoringService::Stub::GetServerInfo,
                                 v1::GetServerInfoRequest()));
  if (info.model().vocabulary_size() < 1) {
    return absl::DataLossError("the server names a model without a vocabulary");
  }
  std::unique_ptr<BenchTrace> trace;
  if (!flags.trace_file.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(trace, BenchTrace::Create(flags.trace_file));
  }
  const BenchRequests requests(settings, info.model().vocabulary_size(), std::move(prompts));
  SCANSERVE_ASSIGN_OR_RETURN(const Measured measured,
                             Measure(session, settings, requests, trace.get()));
  const BenchReport report{session.connection.server(), info, settings, measured.results,
                           measured.load};
  if (!flags.json_file.empty()) {
    SCANSERVE_RETURN_IF_ERROR(WriteJsonFile(flags.json_file, BenchReportJson(report)));
  }
  SCANSERVE_RETURN_IF_ERROR(
      session.json ? WriteJson(session, BenchReportJson(report))
                   : session.output.Write(BenchReportText(report, session.terminal.output_columns,
                                                          session.terminal.output_colour)));
  const BenchTotals totals = measured.results.totals();
  if (totals.failed == 0) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(WithThousands(totals.failed), " of ",
                                         WithThousands(totals.completed + totals.failed),
                                         " requests failed"));
}

void AddLoadFlags(CLI::App& app, BenchFlags& flags) {
  BenchSettings& settings = flags.settings;
  app.add_option("--clients", flags.clients, "In flight at once; 8, with --rate 1024")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kMaxClients).description(""));
  CLI::Option* think = app.add_option("--think-time", flags.think_time, "A client's pause; none")
                           ->type_name("TIME")
                           ->check(ParsesWith(&ParseTimeout));
  CLI::Option* rate = app.add_option("--rate", settings.rate, "Requests/s, whatever the answers")
                          ->type_name("X")
                          ->check(CLI::Range(1e-3, 1e5).description(""))
                          ->excludes(think);
  app.add_option("--arrivals", flags.arrivals, "Of --rate; or constant")
      ->type_name("KIND")
      ->check(CLI::IsMember({"poisson", "constant"}).description(""))
      ->needs(rate)
      ->capture_default_str();
  app.add_option("--requests", settings.requests, "Count; 100 without --duration")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}).description(""));
  app.add_option("--duration", flags.duration, "Send no more after it")
      ->type_name("TIME")
      ->check(ParsesWith(&ParseTimeout));
  app.add_option("--warm-up", settings.warm_up, "Requests first that do not count")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str();
  app.add_option("--connections", settings.connections, "TCP connections")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}).description(""))
      ->capture_default_str();
}

void AddRequestFlags(CLI::App& app, BenchFlags& flags) {
  BenchSettings& settings = flags.settings;
  CLI::Option* file =
      app.add_option("--prompt-file", settings.prompt_file, "A prompt a line")->type_name("FILE");
  app.add_option("--prompt-tokens", flags.prompt_tokens, "Drawn ids")
      ->type_name("LENGTH")
      ->check(ParsesWith(&ParseBenchLength))
      ->excludes(file)
      ->capture_default_str();
  app.add_option("--output-tokens", flags.output_tokens, "To generate")
      ->type_name("LENGTH")
      ->check(ParsesWith(&ParseBenchLength))
      ->capture_default_str();
  app.add_option("--shared-prefix", settings.shared_prefix, "Share equal in all prompts")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->excludes(file)
      ->capture_default_str();
  app.add_option("--mix", flags.mix, "Kind of request; repeatable")
      ->type_name("KIND[,KEY=VALUE..]")
      ->allow_extra_args(false)
      ->check(ParsesWith(&ParseBenchMixEntry));
  app.add_option_function<float>(
         "--temperature", [&settings](float value) { settings.temperature = value; },
         "Sampling; else greedy")
      ->type_name("X");
  app.add_option("--seed", settings.seed, "Of prompts, lengths, gaps")
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

void AddBench(Program& program) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App& app = *program.app.add_subcommand("bench", "Load the server and measure its answers");
  AddLoadFlags(app, *flags);
  AddRequestFlags(app, *flags);
  app.add_option("--json-file", flags->json_file, "The report as JSON too")->type_name("FILE");
  app.add_option("--trace", flags->trace_file, "Each request's times, JSON lines")
      ->type_name("FILE");
  app.footer(
      "LENGTH is 128, uniform:64:512 or normal:MEAN:DEVIATION. KIND is generate,\n"
      "perplexity or extract; keys: weight, prompt, output, adapter, order, window,\n"
      "priority. Latencies count from the time at which --rate wants a request sent.\n"
      "Ctrl-C ends early and shows what was measured. Exit status 1 when requests\n"
      "failed.\n\n"
      "Example:\n"
      "  scanctl bench --clients 64 --prompt-tokens uniform:64:512 --requests 1000\n"
      "  scanctl bench --rate 5 --duration 60s --mix generate,weight=9,adapter=kjv \\\n"
      "    --mix perplexity,prompt=2000");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Bench(session, *flags); };
  });
}

}  // namespace scanserve::client
