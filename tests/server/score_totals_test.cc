#include "server/score_totals.h"

#include <gtest/gtest.h>

#include <cmath>

namespace scanserve::server {
namespace {

runtime::DocumentScore Score(double nll, int64_t tokens) {
  runtime::DocumentScore score;
  score.document_tokens = tokens + 1;
  score.all = {nll, tokens};
  score.causal = score.all;
  score.scored_bytes = 2 * tokens;
  score.cached_tokens = tokens;
  return score;
}

TEST(ScoreTotalsTest, SumsDoNotDependOnTheOrderOfArrival) {
  // Floating-point addition of these three depends on their order.
  const runtime::DocumentScore scores[] = {Score(1e16, 1), Score(1.0, 2), Score(-1e16, 3)};
  ScoreTotals ascending;
  for (int64_t i = 0; i < 3; ++i) ascending.Add(i, scores[i]);
  ScoreTotals mixed;
  mixed.Add(2, scores[2]);
  mixed.Add(0, scores[0]);
  EXPECT_EQ(mixed.next_index(), 1);
  mixed.Add(1, scores[1]);
  EXPECT_EQ(mixed.next_index(), 3);
  EXPECT_EQ(mixed.sum().all.nll, ascending.sum().all.nll);
  EXPECT_EQ(mixed.sum().all.tokens, 6);
  EXPECT_EQ(mixed.sum().document_tokens, 9);
  EXPECT_EQ(mixed.sum().cached_tokens, 6);
}

TEST(ScoreTotalsTest, ComputesPerplexityAndBitsPerByte) {
  const v1::ClassScores proto = ClassScoresToProto(Score(20.0, 10));
  EXPECT_DOUBLE_EQ(proto.perplexity(), std::exp(2.0));
  EXPECT_DOUBLE_EQ(proto.bits_per_byte(), 20.0 / std::log(2.0) / 20.0);
}

TEST(ScoreTotalsTest, NothingScoredIsZero) {
  const v1::ClassScores proto = ClassScoresToProto(runtime::DocumentScore());
  EXPECT_EQ(proto.perplexity(), 0.0);
  EXPECT_EQ(proto.bits_per_byte(), 0.0);
}

}  // namespace
}  // namespace scanserve::server
