// The largest logits of a row, found without sorting the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace scanserve::runtime {

struct Candidate {
  int32_t token;
  float logit;
};

// The larger logit first; of equal ones the smaller id.
inline bool Likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Replaces `found` by the `count` likeliest of logits, [vocabulary], likeliest first; by fewer when
// not so many are above -infinity. NaN is never among them. Reads the row once; takes
// O(vocabulary + count log count) time, and memory only while `found` grows. Thread-safe.
void FindLikeliest(absl::Span<const float> logits, size_t count, std::vector<Candidate>& found);

}  // namespace scanserve::runtime
