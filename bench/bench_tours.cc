// Measures the searches for short tours on hidden states: how much shorter than the
// nearest-neighbour tour they get, in which time and memory.
//
//   bench_tours [--time-limit 60] [--threads 2] [--rows 512,2000,10000] STATES.npy
//
// STATES.npy is the hidden_states.npy of `scanorder run`, with --documents high enough for the
// rows; tests/golden/tours/states.npy has 2,000, and what LKH finds for 512 and for all of them
// stands beside it.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "core/order/computed_tour.h"

namespace scanserve {
namespace {

struct Options {
  std::string states;
  double seconds = 60;
  int threads = 2;
  std::vector<int64_t> rows = {512, 2000, 10'000};
};

int64_t PeakMegabytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss >> 10;
}

void Measure(const base::FloatMatrix& states, int64_t rows, const Options& options) {
  order::TourOptions tour_options;
  tour_options.methods = {order::TourMethod::kTwoOpt, order::TourMethod::kOrOpt,
                          order::TourMethod::kOr3Opt, order::TourMethod::kGenetic};
  tour_options.max_rows = rows;
  tour_options.time_limit = absl::Seconds(options.seconds);
  tour_options.threads = options.threads;
  const auto tour = order::ComputeTour(states, tour_options);
  if (!tour.ok()) {
    std::fprintf(stderr, "%s\n", std::string(tour.status().message()).c_str());
    return;
  }
  const double start = tour->methods[0].length;
  for (const order::MethodTour& method : tour->methods) {
    std::printf("%6lld rows  %-17s  length %.4f  %5.2f %% below nearest neighbour  %6.2f s  %lld\n",
                static_cast<long long>(tour->report.rows_used),
                std::string(order::TourMethodName(method.method)).c_str(), method.length,
                (start - method.length) / start * 100, absl::ToDoubleSeconds(method.elapsed),
                static_cast<long long>(method.iterations));
  }
  std::printf("%6lld rows  peak memory %lld MB\n", static_cast<long long>(tour->report.rows_used),
              static_cast<long long>(PeakMegabytes()));
  std::fflush(stdout);
}

int Main(const Options& options) {
  const auto states = base::ReadNpyFloatMatrix(options.states, int64_t{1} << 31);
  if (!states.ok()) {
    std::fprintf(stderr, "%s\n", std::string(states.status().message()).c_str());
    return 1;
  }
  for (const int64_t rows : options.rows) {
    if (rows > states->rows) break;
    Measure(*states, rows, options);
  }
  return 0;
}

}  // namespace
}  // namespace scanserve

int main(int argc, char** argv) {
  scanserve::Options options;
  CLI::App app("Measures the searches for short tours.");
  app.add_option("states", options.states, "Hidden states, [tokens, width] float32")->required();
  app.add_option("--time-limit", options.seconds, "Seconds for each method")->capture_default_str();
  app.add_option("--threads", options.threads, "Threads that compute")->capture_default_str();
  app.add_option("--rows", options.rows, "Sampled to these, ascending")
      ->delimiter(',')
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return scanserve::Main(options);
}
