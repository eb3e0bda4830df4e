// What a request's line in the log costs beside the request: microseconds of processor time, of the
// thread that writes the line and of the thread that puts it out.
//
//   bench_log [--lines 20000] [--requests 50] [--prompt 32] [--new-tokens 32] FOLDER
//
// The line has every field that one can have, the request runs on a model alone through the engine,
// without gRPC: what it costs over the wire is more. Log lines go to /dev/null.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/model/language_model.h"
#include "core/ops/linear.h"
#include "core/runtime/engine.h"
#include "core/store/directory_store.h"
#include "server/audit_log.h"
#include "server/log.h"

namespace scanserve {
namespace {

struct Options {
  std::string folder;
  int lines = 20'000;
  int requests = 50;
  int prompt = 32;
  int new_tokens = 32;
};

double Microseconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

std::vector<server::LogField> AccessFields() {
  return {{"id", "0af7651916cd43dd"},
          {"method", "Generate"},
          {"code", "OK"},
          {"ms", 41.257},
          {"trace_id", "0af7651916cd43dd8448eb211c80319c"},
          {"caller", "token:2026-11-26-c50dc7e9"},
          {"prompt_tokens", int64_t{32}},
          {"generated_tokens", int64_t{32}}};
}

struct LineCost {
  double caller = 0;
  // Of all threads.
  double whole = 0;
};

LineCost MeasureLines(server::LogFormat format, int lines) {
  server::StartLog({"info", format});
  const double thread = Microseconds(CLOCK_THREAD_CPUTIME_ID);
  const double process = Microseconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < lines; ++i) server::LogInfo("call", AccessFields());
  LineCost cost;
  cost.caller = (Microseconds(CLOCK_THREAD_CPUTIME_ID) - thread) / lines;
  server::StopLog();
  cost.whole = (Microseconds(CLOCK_PROCESS_CPUTIME_ID) - process) / lines;
  return cost;
}

// Line and record of a change.
double MeasureAudit(int changes) {
  std::string folder = (std::filesystem::temp_directory_path() / "bench_log_XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 0;
  server::StartLog({});
  const std::string digest(64, 'a');
  double spent = 0;
  {
    const auto store = store::DirectoryStore::Open({.folder = folder}).value();
    server::AuditLog audit(*store);
    const double before = Microseconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < changes; ++i) {
      audit.Tell({"token:2026-11-26-c50dc7e9", "ipv4:127.0.0.1:40000", "SetActiveScan",
                  "0af7651916cd43dd", "OK", "", false},
                 {{"wiki", 2, digest, digest, 7, "layers=all readout=natural_last"}, {}});
    }
    spent = Microseconds(CLOCK_PROCESS_CPUTIME_ID) - before;
  }
  server::StopLog();
  std::filesystem::remove_all(folder);
  return spent / changes;
}

absl::StatusOr<double> MeasureRequests(const Options& options) {
  auto model = model::LoadLanguageModel(options.folder, ops::MakePackedLinear);
  if (!model.ok()) return model.status();
  const int64_t vocabulary = (*model)->config.vocab_size;
  runtime::EngineOptions engine_options;
  engine_options.prefix_cache_bytes = 0;
  const auto engine = runtime::Engine::Create(engine_options, *model);
  const double before = Microseconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < options.requests; ++i) {
    runtime::GenerateRequest request;
    for (int j = 0; j < options.prompt; ++j) {
      request.prompt.push_back(static_cast<int32_t>((j * 7919 + i) % vocabulary));
    }
    request.sampling.temperature = 0;
    request.sampling.max_new_tokens = options.new_tokens;
    request.sampling.ignore_eos = true;
    const auto stream = engine->Generate(std::move(request));
    if (!stream.ok()) return stream.status();
    while (!std::holds_alternative<runtime::Ended>((*stream)->Wait())) {
    }
  }
  return (Microseconds(CLOCK_PROCESS_CPUTIME_ID) - before) / options.requests;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures what log lines cost.", "bench_log");
  app.add_option("--lines", options.lines);
  app.add_option("--requests", options.requests);
  app.add_option("--prompt", options.prompt);
  app.add_option("--new-tokens", options.new_tokens);
  app.add_option("FOLDER", options.folder)->required();
  CLI11_PARSE(app, argc, argv);
  ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
  const LineCost text = MeasureLines(server::LogFormat::kText, options.lines);
  const LineCost json = MeasureLines(server::LogFormat::kJson, options.lines);
  const double audit = MeasureAudit(options.lines / 10);
  const absl::StatusOr<double> request = MeasureRequests(options);
  if (!request.ok()) {
    std::printf("%s\n", std::string(request.status().message()).c_str());
    return 1;
  }
  std::printf("a line of text: %.1f us, with the thread that puts it out %.1f us\n", text.caller,
              text.whole);
  std::printf("a line of JSON: %.1f us, with the thread that puts it out %.1f us\n", json.caller,
              json.whole);
  std::printf("line and record of a change: %.1f us, without waiting for the disk\n", audit);
  std::printf("a request of %d + %d tokens: %.0f us; its JSON line is %.4f %% of that\n",
              options.prompt, options.new_tokens, *request, 100 * json.whole / *request);
  return 0;
}

}  // namespace
}  // namespace scanserve

int main(int argc, char** argv) { return scanserve::Main(argc, argv); }
