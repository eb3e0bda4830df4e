// What the two arms of a comparison took, and the ratio of the two.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "core/compare/paired_cluster.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

// Not thread-safe.
class ArmTimes {
 public:
  // Of one document.
  void Add(absl::Duration a, absl::Duration b);
  // The times, and the ratio B / A with its interval at 1 - `alpha` for one look, which needs two
  // documents.
  void AddTo(v1::CompareTotals& totals, double alpha) const;

 private:
  absl::Duration a_;
  absl::Duration b_;
  // Seconds that B took longer, out of those of A: the ratio is 1 + R.
  std::vector<compare::PairedCluster> documents_;
};

}  // namespace scanserve::server
