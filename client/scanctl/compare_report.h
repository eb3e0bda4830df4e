// What scanctl compare says of a comparison, in words.
#pragma once

#include <string>

#include "client/table.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// A comparison as its events tell it.
struct Comparison {
  v1::CompareSettings settings;
  v1::CompareStarted started;
  v1::CompareTotals totals;
  // In the corpus.
  int64_t documents = 0;
};

// One sentence: the verdict, or what is missing for one.
std::string VerdictSentence(const Comparison& comparison);
// "-0.0123": a signed difference in nats per token.
std::string DifferenceText(double nats);
// "tour@1, pin-last, adapter kjv@1".
std::string ArmText(const v1::InForce& in_force);
std::string ModeText(const Comparison& comparison);
// "within +-0.0148 nats per token", of the interval's farther end; "-" without an interval.
std::string EquivalentWithinText(const v1::CompareEstimate& estimate);
// "B takes 1.02 times as long (0.99 to 1.05)".
std::string TimesText(const v1::CompareTotals& totals);

// The figures, by name.
Fields CompareFindings(const Comparison& comparison);

// All of it, for a terminal of `columns`.
std::string CompareReport(const Comparison& comparison, int columns, bool colour);

// Whether the comparison shows what is expected: "better", "not-worse" or "equivalent".
bool Shows(const v1::CompareEstimate& estimate, const std::string& expected);

}  // namespace scanserve::client
