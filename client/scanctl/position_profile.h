// How the difference of two arms depends on where in a document a token stands.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/compare/confidence.h"
#include "core/compare/paired_cluster.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// Mean difference B - A over the causal tokens of one range of positions. The interval is for this
// range by itself: of twenty such intervals one misses where nothing differs.
struct PositionRange {
  // Tokens after the first position: begin <= distance < end.
  int64_t begin = 0;
  int64_t end = 0;
  compare::RatioEstimate estimate;
  compare::Interval interval;
};

// Ranges double: 0, 1, 2 to 3, 4 to 7, .. tokens after `first_position`. One thread.
class PositionProfile {
 public:
  explicit PositionProfile(int64_t first_position) : first_position_(first_position) {}

  // Chunks of one document come one after the other.
  void Add(const v1::TokenDifferences& tokens);
  // Ranges with tokens of two documents or more, at 95 %.
  std::vector<PositionRange> Ranges() const;

 private:
  struct Range {
    int64_t document = -1;  // of the last cluster
    std::vector<compare::PairedCluster> clusters;
  };

  const int64_t first_position_;
  // By the number of binary digits of the distance.
  std::map<int, Range> ranges_;
};

}  // namespace scanserve::client
