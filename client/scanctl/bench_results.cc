#include "client/scanctl/bench_results.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace scanserve::client {
namespace {

// Sentences of the connection begin with the code where there is nothing better to say.
std::string WithoutCode(const absl::Status& status) {
  const std::string prefix = absl::StrCat(absl::StatusCodeToString(status.code()), ": ");
  return std::string(absl::StripPrefix(status.message(), prefix));
}

}  // namespace

void BenchEntryResults::Add(const BenchOutcome& outcome) {
  if (outcome.cut_off) {
    ++unfinished;
    return;
  }
  if (!outcome.status.ok()) {
    ++failed;
    BenchErrors& of_code = errors[outcome.status.code()];
    if (of_code.count++ == 0) of_code.first_message = WithoutCode(outcome.status);
    return;
  }
  ++completed;
  prompt_tokens += outcome.prompt_tokens;
  cached_tokens += outcome.cached_tokens;
  generated_tokens += outcome.generated_tokens;
  start_delay.Add(BenchSeconds(outcome.sent - outcome.intended));
  end_to_end.Add(BenchSeconds(outcome.finished - outcome.intended));
  const auto& deliveries = outcome.deliveries;
  if (deliveries.empty()) return;
  time_to_first_token.Add(BenchSeconds(deliveries.front().time - outcome.intended));
  for (size_t i = 1; i < deliveries.size(); ++i) {
    inter_token_latency.Add(BenchSeconds(deliveries[i].time - deliveries[i - 1].time));
  }
  if (outcome.generated_tokens > 1) {
    time_per_output_token.Add(BenchSeconds(deliveries.back().time - deliveries.front().time) /
                              static_cast<double>(outcome.generated_tokens - 1));
  }
}

void BenchResults::Add(const BenchOutcome& outcome) {
  if (outcome.index < warm_up_) return;
  first_sent_ = first_sent_ ? std::min(*first_sent_, outcome.sent) : outcome.sent;
  last_finished_ = std::max(last_finished_, outcome.finished);
  entries_[outcome.entry].Add(outcome);
}

BenchTotals BenchResults::totals() const {
  BenchTotals totals;
  for (const BenchEntryResults& entry : entries_) {
    totals.completed += entry.completed;
    totals.failed += entry.failed;
    totals.unfinished += entry.unfinished;
    totals.prompt_tokens += entry.prompt_tokens;
    totals.cached_tokens += entry.cached_tokens;
    totals.generated_tokens += entry.generated_tokens;
  }
  return totals;
}

double BenchResults::seconds() const {
  return first_sent_ ? BenchSeconds(last_finished_ - *first_sent_) : 0;
}

}  // namespace scanserve::client
