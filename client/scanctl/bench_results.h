// What a load test measured, added up as outcomes come.
//
// Latencies are those of vLLM's and GenAI-Perf's benchmarks, counted from the time at which a
// request was to be sent: time to first token until the first delivery of tokens, inter-token
// latency between one delivery and the next of one request (a delivery can carry several tokens),
// time per output token from the first delivery to the last over the tokens after the first.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/scanctl/bench_call.h"
#include "client/scanctl/bench_samples.h"

namespace scanserve::client {

struct BenchErrors {
  int64_t count = 0;
  std::string first_message;
};

// Of one entry of the mix. Latencies are of completed requests only, in seconds.
struct BenchEntryResults {
  int64_t completed = 0;
  int64_t failed = 0;
  // Cancelled because the run was interrupted; not failed.
  int64_t unfinished = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
  BenchSamples start_delay;
  BenchSamples time_to_first_token;
  BenchSamples inter_token_latency;
  BenchSamples time_per_output_token;
  BenchSamples end_to_end;
  std::map<absl::StatusCode, BenchErrors> errors;

  void Add(const BenchOutcome& outcome);
};

// Counts over all entries.
struct BenchTotals {
  int64_t completed = 0;
  int64_t failed = 0;
  int64_t unfinished = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
};

// Belongs to one thread.
class BenchResults {
 public:
  // For a mix of `entries`; the first `warm_up` requests do not count.
  BenchResults(size_t entries, int64_t warm_up) : warm_up_(warm_up), entries_(entries) {}

  void Add(const BenchOutcome& outcome);

  const std::vector<BenchEntryResults>& entries() const { return entries_; }
  BenchTotals totals() const;
  // From the first request counted, when it was sent, to the end of the last; 0 without any.
  double seconds() const;

 private:
  const int64_t warm_up_;
  std::vector<BenchEntryResults> entries_;
  std::optional<BenchTime> first_sent_;
  BenchTime last_finished_;
};

}  // namespace scanserve::client
