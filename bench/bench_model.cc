// Measures a whole model through the engine: load time, memory, reading a prompt (natural and under
// an order), decoding with one and with many sequences and what the products alone would take, and
// what the prefix cache costs and saves.
//
//   bench_model [--threads N] [--prompt 512] [--new-tokens 64] [--sequences 16] [--rounds 5]
//               [--prefix-cache-bytes 134217728] FOLDER
//
// Prints the median of the rounds; what is compared takes turns, so that ratios hold on a machine
// whose speed drifts. All but the last line is measured without the cache.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "core/base/thread_pool.h"
#include "core/model/language_model.h"
#include "core/model/mixer_shapes.h"
#include "core/ops/kernel_target.h"
#include "core/ops/linear.h"
#include "core/runtime/engine.h"

namespace scanserve {
namespace {

struct Options {
  std::string folder;
  int threads = 0;
  int prompt = 512;
  int new_tokens = 64;
  int sequences = 16;
  int rounds = 5;
  int64_t prefix_cache_bytes = runtime::EngineOptions().prefix_cache_bytes;
};

int64_t ResidentMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stoll(line.substr(6)) / 1024;
  }
  return 0;
}

int Processors() { return static_cast<int>(std::thread::hardware_concurrency()); }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

runtime::GenerateRequest Request(int prompt_tokens, int new_tokens, int64_t vocabulary) {
  runtime::GenerateRequest request;
  for (int i = 0; i < prompt_tokens; ++i) {
    request.prompt.push_back(static_cast<int32_t>((i * 7919 + 13) % vocabulary));
  }
  request.sampling.temperature = 0;
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  return request;
}

// Seconds until all of the requests have ended.
double Run(runtime::Engine& engine, const std::vector<runtime::GenerateRequest>& requests) {
  const absl::Time begin = absl::Now();
  std::vector<std::shared_ptr<runtime::RequestStream>> streams;
  for (const auto& request : requests) streams.push_back(*engine.Generate(request));
  for (const auto& stream : streams) {
    while (!std::holds_alternative<runtime::Ended>(stream->Wait())) {
    }
  }
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

void MeasurePrompts(runtime::Engine& engine, const Options& options, int64_t vocabulary) {
  const runtime::GenerateRequest natural = Request(options.prompt, 1, vocabulary);
  runtime::GenerateRequest permuted = natural;
  std::vector<int64_t> reversed(static_cast<size_t>(options.prompt));
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  permuted.basics.scan.order = *order::ScanOrder::FromEntries(reversed);
  std::vector<double> natural_seconds, ratios;
  Run(engine, {natural});
  for (int round = 0; round < options.rounds; ++round) {
    natural_seconds.push_back(Run(engine, {natural}));
    ratios.push_back(Run(engine, {permuted}) / natural_seconds.back());
  }
  std::printf("prompt of %d: %.0f tokens/s; permuted takes %.3f times as long\n", options.prompt,
              options.prompt / Median(natural_seconds), Median(ratios));
}

// The model's products alone, as a step of `rows` decoding sequences needs them: what a step could
// come to that did nothing else.
class BareProducts {
 public:
  BareProducts(const model::MambaConfig& config, int threads, int rows)
      : pool_(threads), rows_(rows) {
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      for (const model::Module module : {model::Module::kInProj, model::Module::kXProj,
                                         model::Module::kDtProj, model::Module::kOutProj}) {
        Add(model::ComputedShape(config, module));
      }
    }
    Add({config.vocab_size, config.hidden_size});
  }

  double TokensPerSecond() {
    const absl::Time begin = absl::Now();
    for (int step = 0; step < kSteps; ++step) {
      for (const auto& linear : linears_) {
        linear->Run({x_.data(), linear->shape().in_features, y_.data(),
                     linear->shape().out_features, rows_, /*accumulate=*/false},
                    pool_);
      }
    }
    return static_cast<double>(kSteps * rows_) / absl::ToDoubleSeconds(absl::Now() - begin);
  }

 private:
  static constexpr int64_t kSteps = 32;

  void Add(ops::LinearShape shape) {
    linears_.push_back(ops::MakePackedLinear(
        shape,
        [shape](int64_t n, float* row) {
          for (int64_t k = 0; k < shape.in_features; ++k) {
            row[k] = static_cast<float>((n * 31 + k * 17) % 64 - 32) / 64;
          }
        },
        /*bias=*/nullptr));
    x_.resize(std::max(x_.size(), static_cast<size_t>(rows_ * shape.in_features)), 0.5F);
    y_.resize(std::max(y_.size(), static_cast<size_t>(rows_ * shape.out_features)));
  }

  base::ThreadPool pool_;
  const int64_t rows_;
  std::vector<std::unique_ptr<ops::Linear>> linears_;
  std::vector<float> x_, y_;
};

void MeasureDecoding(runtime::Engine& engine, const Options& options,
                     const model::MambaConfig& config) {
  const runtime::GenerateRequest request = Request(1, options.new_tokens, config.vocab_size);
  const std::vector<runtime::GenerateRequest> many(static_cast<size_t>(options.sequences), request);
  BareProducts bare(config, options.threads > 0 ? options.threads : Processors(),
                    options.sequences);
  std::vector<double> one_seconds, many_seconds, bare_rates;
  for (int round = 0; round < options.rounds; ++round) {
    one_seconds.push_back(Run(engine, {request}));
    many_seconds.push_back(Run(engine, many));
    bare_rates.push_back(bare.TokensPerSecond());
  }
  const double one = options.new_tokens / Median(one_seconds);
  const double all = options.sequences * options.new_tokens / Median(many_seconds);
  std::printf("decode: %.1f tokens/s with 1 sequence, %.1f with %d (%.1f times)\n", one, all,
              options.sequences, all / one);
  std::printf("its products alone: %.1f tokens/s; decoding reaches %.1f %% of them\n",
              Median(bare_rates), 100 * all / Median(bare_rates));
}

runtime::EngineOptions EngineOptionsOf(const Options& options) {
  runtime::EngineOptions engine_options;
  engine_options.threads = options.threads;
  engine_options.step_tokens = std::max(512, options.prompt);
  engine_options.prefix_cache_bytes = 0;
  return engine_options;
}

// Prompts that no cache knows, read with the cache and without; then one that it knows.
void MeasurePrefixCache(runtime::Engine& without,
                        const std::shared_ptr<const model::LanguageModel>& model,
                        const Options& options) {
  runtime::EngineOptions with_cache = EngineOptionsOf(options);
  with_cache.prefix_cache_bytes = options.prefix_cache_bytes;
  const auto with = runtime::Engine::Create(with_cache, model);
  const int64_t vocabulary = model->config.vocab_size;
  std::vector<double> cold_ratios, found_ratios;
  for (int round = 0; round < options.rounds; ++round) {
    runtime::GenerateRequest request = Request(options.prompt, 1, vocabulary);
    request.prompt[0] = static_cast<int32_t>(round % vocabulary);
    const double seconds = Run(without, {request});
    cold_ratios.push_back(Run(*with, {request}) / seconds);
    found_ratios.push_back(Run(*with, {request}) / seconds);
  }
  std::printf("prefix cache: a new prompt takes %.3f times as long, a known one %.4f times\n",
              Median(cold_ratios), Median(found_ratios));
}

int Main(const Options& options) {
  const absl::Time begin = absl::Now();
  auto model = model::LoadLanguageModel(options.folder, ops::MakePackedLinear);
  if (!model.ok()) {
    std::fprintf(stderr, "%s\n", model.status().ToString().c_str());
    return 1;
  }
  std::printf(
      "%s: %lld parameters, loaded in %.2f s, weights %lld MB, resident %lld MB, kernels %s\n",
      (*model)->name.c_str(), static_cast<long long>((*model)->parameters),
      absl::ToDoubleSeconds(absl::Now() - begin),
      static_cast<long long>((*model)->weight_bytes >> 20),
      static_cast<long long>(ResidentMegabytes()), std::string(ops::KernelTargetName()).c_str());
  const auto engine = runtime::Engine::Create(EngineOptionsOf(options), *model);
  MeasurePrompts(*engine, options, (*model)->config.vocab_size);
  MeasureDecoding(*engine, options, (*model)->config);
  MeasurePrefixCache(*engine, *model, options);
  std::printf("resident %lld MB\n", static_cast<long long>(ResidentMegabytes()));
  return 0;
}

}  // namespace
}  // namespace scanserve

int main(int argc, char** argv) {
  scanserve::Options options;
  CLI::App app("Measures a model through the engine.");
  app.add_option("folder", options.folder, "Checkpoint folder")->required();
  app.add_option("--threads", options.threads, "Threads that compute; 0: one for each processor");
  app.add_option("--prompt", options.prompt, "Tokens of the prompt")->capture_default_str();
  app.add_option("--new-tokens", options.new_tokens, "Tokens to decode")->capture_default_str();
  app.add_option("--sequences", options.sequences, "Sequences at once")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds, of which the median counts")
      ->capture_default_str();
  app.add_option("--prefix-cache-bytes", options.prefix_cache_bytes, "Memory of the prefix cache")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return scanserve::Main(options);
}
