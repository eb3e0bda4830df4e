// Scores documents under an order and under identity, target by target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/connection.h"
#include "client/progress_bar.h"
#include "scanserve/v1/scan.pb.h"

namespace scanserve::client {

// With a 95 % interval, which takes documents, not tokens, as independent; from -inf to +inf where
// fewer than two documents have targets.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

// The same targets under both.
struct TargetComparison {
  std::string targets;  // e.g. "full window, causal"
  bool causal = false;  // whether the figures say how well the model predicts
  int64_t documents = 0;
  int64_t tokens = 0;
  Estimate identity;  // perplexity
  Estimate order;
  Estimate ratio;  // order / identity, paired by document
};

// What a document adds: sums of negative log likelihoods, in nats, over the same targets.
struct DocumentSums {
  double identity = 0;
  double order = 0;
  int64_t tokens = 0;
};

struct EvaluationPlan {
  v1::ScanOrderRef order;
  std::optional<v1::AdapterRef> adapter;  // unset is the base model
  int64_t prefix_tokens = 64;             // CONTINUATION: the prompt pass
};

// FULL_WINDOW over whole documents, a comparison for each class that has targets, and CONTINUATION
// without the target that is predicted at the readout. Comparisons without a target are left out.
absl::StatusOr<std::vector<TargetComparison>> CompareWithIdentity(
    Connection& connection, absl::Span<const std::string> documents, const EvaluationPlan& plan,
    ProgressBar& bar);

// Ratios of sums over documents, linearised; Student's t for the interval.
TargetComparison Summarise(std::string targets, bool causal, absl::Span<const DocumentSums> sums);

}  // namespace scanserve::client
