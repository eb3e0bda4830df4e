// Settings of a comparison, checked, and what it found, as messages.
#pragma once

#include "absl/status/statusor.h"
#include "core/compare/paired_comparison.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/convert_perplexity.h"

namespace scanserve::server {

// INVALID_ARGUMENT names the field: margin, alpha or plan out of range.
absl::StatusOr<compare::ComparisonOptions> ComparisonOptionsFromProto(
    const v1::CompareSettings& proto);

// CONTINUATION where none is set.
v1::PerplexityMode CompareMode(const v1::CompareSettings& proto);

// As ScoringRulesFromProto, with the values of each token, by which the arms are paired.
absl::StatusOr<ScoringRules> CompareRulesFromProto(const v1::CompareSettings& proto,
                                                   int64_t max_prompt_tokens);

// Without a verdict unless `with_verdict`.
v1::CompareEstimate EstimateToProto(const compare::PairedComparison& comparison,
                                    const compare::ComparisonLook& look, bool with_verdict);
// The second opinion on its difference, where there is one. Takes some milliseconds at most.
void AddBootstrap(const compare::PairedComparison& comparison, double alpha,
                  v1::CompareTotals& totals);
v1::FirstVerdict FirstVerdictToProto(const compare::FirstVerdict& first);

}  // namespace scanserve::server
