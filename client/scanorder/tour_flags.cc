#include "client/scanorder/tour_flags.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace scanserve::client {
namespace {

constexpr int kMaxThreads = 256;
const std::vector<std::string> kMethods = {"nearest-neighbour", "2-opt", "or-opt", "or-3opt",
                                           "genetic"};

// The cap of rows; with all, too many rows are refused when they are there.
absl::StatusOr<int64_t> ParseRows(absl::string_view text) {
  int64_t rows = 0;
  if (text == "all") return std::numeric_limits<int64_t>::max();
  if (absl::SimpleAtoi(text, &rows) && rows >= 2 && rows <= order::kMaxSearchRows) return rows;
  return absl::InvalidArgumentError(
      absl::StrCat("--rows: '", text, "', expected all or 2 to ", order::kMaxSearchRows));
}

int Threads(int asked) {
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  return asked > 0 ? asked : std::clamp(processors, 1, kMaxThreads);
}

}  // namespace

void AddTourFlags(CLI::App& app, TourFlags& flags) {
  const CLI::Validator not_negative = CLI::NonNegativeNumber.description("");
  std::vector<std::string> names = kMethods;
  names.emplace_back("all");
  app.add_option("--method", flags.methods, "Or 2-opt, or-opt, or-3opt, genetic, all")
      ->type_name("NAMES")
      ->delimiter(',')
      ->check(CLI::IsMember(names).description(""))
      ->capture_default_str();
  app.add_option("--rows", flags.rows, "Sample longer inputs to these; all")
      ->type_name("N")
      ->check(ParsesWith(&ParseRows))
      ->capture_default_str();
  app.add_option("--distance", flags.distance, "Or correlation, cosine, euclid")
      ->type_name("NAME")
      ->check(CLI::IsMember({"absolute-correlation", "correlation", "cosine", "euclid"})
                  .description(""))
      ->capture_default_str();
  app.add_flag("--closed", flags.closed, "Count the way back to the first row");
  app.add_option("--time-limit", flags.time_limit, "Most time for each method")
      ->type_name("TIME")
      ->check(ParsesWith(&ParseTimeout))
      ->capture_default_str();
  app.add_option("--iterations", flags.iterations, "End or-3opt, genetic after these; 0: by time")
      ->type_name("N")
      ->check(not_negative)
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "Of their random numbers")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "To compute with; 0: one a processor")
      ->type_name("N")
      ->check(CLI::Range(0, kMaxThreads).description(""))
      ->capture_default_str();
}

order::TourOptions TourOptionsOf(const TourFlags& flags) {
  order::TourOptions options;
  const bool all = std::ranges::find(flags.methods, "all") != flags.methods.end();
  options.methods.clear();
  // In one order and once each, however they were given.
  for (const std::string& name : kMethods) {
    if (all || std::ranges::find(flags.methods, name) != flags.methods.end()) {
      options.methods.push_back(*order::ParseTourMethod(name));
    }
  }
  options.metric = *order::ParseRowMetric(flags.distance);
  options.closed = flags.closed;
  options.max_rows = *ParseRows(flags.rows);
  options.time_limit = *ParseTimeout(flags.time_limit);
  options.iterations = flags.iterations;
  options.seed = flags.seed;
  options.threads = Threads(flags.threads);
  return options;
}

}  // namespace scanserve::client
