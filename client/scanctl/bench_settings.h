// What a load test sends, and when: the settings of `scanctl bench`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/message_json.h"
#include "client/scanctl/bench_random.h"
#include "scanserve/v1/scan.pb.h"

namespace scanserve::client {

// A number of tokens, fixed or drawn anew for each request; never below 1.
struct BenchLength {
  enum class Shape { kFixed, kUniform, kNormal };
  Shape shape = Shape::kFixed;
  double first = 1;   // the number, the smallest, or the mean
  double second = 0;  // the largest, or the standard deviation

  int64_t Draw(BenchRandom& random) const;
};

// "128", "uniform:64:512" or "normal:256:32". INVALID_ARGUMENT with what is wrong.
absl::StatusOr<BenchLength> ParseBenchLength(absl::string_view text);
std::string BenchLengthText(const BenchLength& length);

enum class BenchKind { kGenerate, kPerplexity, kExtract };
std::string BenchKindText(BenchKind kind);

// One kind of request and its share of all.
struct BenchMixEntry {
  BenchKind kind = BenchKind::kGenerate;
  double weight = 1;
  std::optional<BenchLength> prompt;  // else the run's
  std::optional<BenchLength> output;  // generate only; else the run's
  std::string adapter;                // empty is what the server assigns, "none" the base model
  std::string order;                  // empty is what the server assigns, "identity" natural order
  int64_t window_tokens = 0;          // perplexity only; 0 is the whole prompt
  std::string priority;               // "normal" or "low"; empty is the server's default
};

// "KIND[,KEY=VALUE]..", e.g. "generate,weight=3,adapter=kjv". INVALID_ARGUMENT with what is wrong.
absl::StatusOr<BenchMixEntry> ParseBenchMixEntry(absl::string_view text);
// The same text for an equal entry, keys in a fixed order.
std::string BenchMixEntryText(const BenchMixEntry& entry);

struct BenchSettings {
  // Requests in flight: exactly so many in a closed loop (rate 0), at most so many in an open one.
  int64_t clients = 8;
  // TCP connections that they share.
  int64_t connections = 4;
  // Closed loop: pause of a client between an answer and its next request.
  absl::Duration think_time;
  // Open loop: requests a second on average; 0 is a closed loop.
  double rate = 0;
  // Open loop: exponential gaps between requests instead of equal ones.
  bool poisson = true;
  // Requests counted; 0 is no bound.
  int64_t requests = 0;
  // From the first request counted to the last one sent; infinite is no bound.
  absl::Duration duration = absl::InfiniteDuration();
  // Requests sent first, which are not counted.
  int64_t warm_up = 0;
  BenchLength prompt_tokens{.first = 128};
  BenchLength output_tokens{.first = 64};
  // Share of each prompt that is the same in all, from its beginning; 0 to 1.
  double shared_prefix = 0;
  // One prompt a line, instead of drawn token ids; empty is none.
  std::string prompt_file;
  // Sampling; unset is greedy.
  std::optional<float> temperature;
  uint64_t seed = 0;
  // At least one.
  std::vector<BenchMixEntry> mix;
};

Json BenchSettingsJson(const BenchSettings& settings);

}  // namespace scanserve::client
