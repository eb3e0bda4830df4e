// The scores of one document under two arms, paired token by token.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/compare/paired_cluster.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/document_assembler.h"

namespace scanserve::server {

// Sums over tokens that were scored under both arms.
struct PairedScore {
  int64_t tokens = 0;
  double nll_a = 0;
  double nll_b = 0;

  void Add(const PairedScore& other);
};

// A token has the worst of its classes under the two arms.
struct PairedClassScores {
  PairedScore leaked;
  PairedScore lookahead;
  PairedScore causal;

  void Add(const PairedClassScores& other);
};

v1::PairedClassScores PairedClassScoresToProto(const PairedClassScores& scores);

// The arms come one after the other; values of the first are kept until the second has the same
// token. Not thread-safe.
class DocumentPair {
 public:
  // Which arm comes first.
  explicit DocumentPair(bool b_first) : b_first_(b_first) {}

  // All targets of the first arm, in any number of calls.
  void AddFirst(std::vector<runtime::ScoredTokens::Target> targets);
  // Those of the second. INTERNAL when they are other tokens than the first arm's.
  absl::Status AddSecond(const std::vector<runtime::ScoredTokens::Target>& targets);
  // After both. INTERNAL when the second arm scored fewer tokens.
  absl::Status End() const;

  const PairedClassScores& scores() const { return scores_; }
  // Over the tokens that are causal under both arms.
  compare::PairedCluster cluster() const { return causal_.cluster(); }

  // `targets`, which AddSecond has taken last, in messages that keep the limit of their size.
  std::vector<v1::CompareResponse> MessagesOf(
      const Document& document, const std::vector<runtime::ScoredTokens::Target>& targets) const;

 private:
  struct Values {
    float nll_a;
    float nll_b;
    order::TargetClass target_class;
  };
  Values PairOf(const runtime::ScoredTokens::Target& first,
                const runtime::ScoredTokens::Target& second) const;

  const bool b_first_;
  std::vector<runtime::ScoredTokens::Target> first_;
  size_t paired_ = 0;
  PairedClassScores scores_;
  compare::PairedTokens causal_;
};

}  // namespace scanserve::server
