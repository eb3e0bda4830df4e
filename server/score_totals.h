// Sums over the documents of a perplexity call.
#pragma once

#include <cstdint>
#include <map>

#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

// Adds documents up by their index, whatever the order in which they finish, so that the same call
// gives the same sums to the bit. Not thread-safe.
class ScoreTotals {
 public:
  // Each index from 0 on, once.
  void Add(int64_t index, const runtime::DocumentScore& score);
  // The first index that was not added yet.
  int64_t next_index() const { return next_index_; }

  const runtime::DocumentScore& sum() const { return sum_; }

 private:
  std::map<int64_t, runtime::DocumentScore> early_;
  int64_t next_index_ = 0;
  runtime::DocumentScore sum_;
};

// Perplexity and bits per byte are computed from the sums; 0 when nothing was scored.
v1::ClassScores ClassScoresToProto(const runtime::DocumentScore& score);
v1::Score ScoreToProto(const runtime::Score& score);
v1::TargetClass TargetClassToProto(order::TargetClass target_class);

}  // namespace scanserve::server
